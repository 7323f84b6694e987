//! A folder served over HTTP: its files by their names, with ranges, and lists of them as S3 gives them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Serves until the test ends.
#[derive(Debug)]
pub struct Server {
    pub port: u16,
    /// Bytes of files that were sent.
    pub sent: Arc<AtomicU64>,
    /// What was asked for, such as `GET /bucket/t.csv`.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves a folder whose own folders are the buckets.
    pub fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            sent: Arc::default(),
            asked: Arc::default(),
        };
        let (folder, sent, asked) = (folder.to_owned(), server.sent.clone(), server.asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (folder, sent, asked) = (folder.clone(), sent.clone(), asked.clone());
                std::thread::spawn(move || answer_all(&stream, &folder, &sent, &asked));
            }
        });
        server
    }

    pub fn http(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// The settings with which `s3://` leads here.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            (
                "AWS_ENDPOINT_URL",
                self.http("").trim_end_matches('/').to_owned(),
            ),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", "somebody".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "something".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ]
    }
}

/// Answers the requests of one connection.
fn answer_all(stream: &TcpStream, folder: &Path, sent: &AtomicU64, asked: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream);
    loop {
        let mut request = String::new();
        if lines.read_line(&mut request).unwrap_or(0) == 0 {
            return;
        }
        let mut range = None;
        loop {
            let mut header = String::new();
            if lines.read_line(&mut header).unwrap_or(0) == 0 || header.trim().is_empty() {
                break;
            }
            let (name, value) = header.split_once(':').unwrap();
            if name.eq_ignore_ascii_case("range") {
                range = Some(value.trim().trim_start_matches("bytes=").to_owned());
            }
        }
        let mut words = request.split(' ');
        let (verb, target) = (words.next().unwrap(), words.next().unwrap());
        asked.lock().unwrap().push(format!("{verb} {target}"));
        let (head, body) = answer(folder, target, range.as_deref());
        let body = if verb == "HEAD" { &[][..] } else { &body };
        let mut stream = stream;
        if stream.write_all(head.as_bytes()).is_err() || stream.write_all(body).is_err() {
            return;
        }
        sent.fetch_add(body.len() as u64, Ordering::Relaxed);
    }
}

fn answer(folder: &Path, target: &str, range: Option<&str>) -> (String, Vec<u8>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path.contains("secret") {
        return whole("403 Forbidden", "<Error/>".into());
    }
    if query.contains("list-type=2") {
        return whole("200 OK", list(&folder.join(&path[1..]), query).into_bytes());
    }
    let path = decoded(path);
    let Some(bytes) = read(&folder.join(&path[1..])) else {
        return whole("404 Not Found", "<Error/>".into());
    };
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else {
        return whole("200 OK", bytes);
    };
    let n = bytes.len();
    let (first, last) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => (first, (last + 1).min(n)),
        (Ok(first), _) => (first, n),
        (_, Ok(tail)) => (n.saturating_sub(tail), n),
        _ => (0, n),
    };
    let part = bytes[first..last].to_vec();
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{}/{n}\r\n{}",
        last - 1,
        headers(part.len())
    );
    (head, part)
}

fn whole(status: &str, body: Vec<u8>) -> (String, Vec<u8>) {
    let head = format!("HTTP/1.1 {status}\r\n{}", headers(body.len()));
    (head, body)
}

fn headers(n: usize) -> String {
    format!(
        "Content-Length: {n}\r\nETag: \"1\"\r\nLast-Modified: Wed, 21 Oct 2026 07:28:00 GMT\r\n\
         Accept-Ranges: bytes\r\n\r\n"
    )
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut file = std::fs::File::open(path).ok()?;
    file.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn decoded(text: &str) -> String {
    [("%2F", "/"), ("%3D", "="), ("%20", " "), ("+", " ")]
        .iter()
        .fold(text.to_owned(), |text, (code, meant)| {
            text.replace(code, meant)
        })
}

/// What `ListObjectsV2` answers.
fn list(bucket: &Path, query: &str) -> String {
    let value = |key: &str| {
        let found = query.split('&').find_map(|pair| pair.strip_prefix(key));
        decoded(found.unwrap_or(""))
    };
    let (prefix, delimited) = (value("prefix="), !value("delimiter=").is_empty());
    let mut keys = Vec::new();
    walk(bucket, bucket, &mut keys);
    let mut folders = BTreeSet::new();
    let mut body = String::from("<?xml version=\"1.0\"?><ListBucketResult>");
    for (key, size) in keys.iter().filter(|(key, _)| key.starts_with(&prefix)) {
        if let Some(end) = key[prefix.len()..].find('/').filter(|_| delimited) {
            folders.insert(key[..=prefix.len() + end].to_owned());
            continue;
        }
        write!(
            body,
            "<Contents><Key>{key}</Key><LastModified>2026-10-21T07:28:00.000Z</LastModified>\
             <ETag>\"1\"</ETag><Size>{size}</Size></Contents>"
        )
        .unwrap();
    }
    for folder in folders {
        write!(
            body,
            "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"
        )
        .unwrap();
    }
    body + "<IsTruncated>false</IsTruncated></ListBucketResult>"
}

fn walk(bucket: &Path, folder: &Path, keys: &mut Vec<(String, u64)>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            walk(bucket, &entry, keys);
        } else {
            let key = entry.strip_prefix(bucket).unwrap().to_string_lossy();
            keys.push((key.into_owned(), entry.metadata().unwrap().len()));
        }
    }
}
