//! Files that are damaged, cut short or made to harm: an error, never a panic.

mod arrow;
pub(crate) mod valid;

use std::path::Path;

use proptest::prelude::*;
use qualm_data::{Batches, Error, Source};

use crate::{all, excluding, file, folder, npy, table, write};

/// Numbers that look random and are always the same.
fn random() -> impl FnMut(usize) -> usize {
    let mut state = 1u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize % below
    }
}

/// A file with one to three changes: bytes overwritten, flipped, cut out, doubled or cut off.
fn mutated(whole: &[u8], random: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..=random(3) {
        if bytes.is_empty() {
            break;
        }
        let at = random(bytes.len());
        let end = bytes.len().min(at + 1 + random(8));
        match random(6) {
            0 => bytes[at] = random(256) as u8,
            1 => bytes[at] ^= 1 << random(8),
            2 => bytes[at..end].fill([0, 0x7F, 0xFF][random(3)]),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let doubled = bytes[at..end].to_vec();
                bytes.splice(at..at, doubled);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

#[test]
fn mutated_files_of_every_format_never_panic() {
    let (folder, mut random) = (folder(), random());
    for (extension, whole) in valid::files() {
        let name = format!("t.{extension}");
        let path = file(&folder, &name, &whole);
        assert!(all(&path).is_ok(), "{name}");
        let n_read = (0..300).filter(|_| {
            let path = file(&folder, &name, mutated(&whole, &mut random));
            all(&path).is_ok()
        });
        // Some changes do no harm, as in a text.
        assert!(n_read.count() < 300, "{name}");
    }
}

#[test]
fn hostile_numpy_headers_are_refused_without_allocating() {
    let folder = folder();
    for (shape, order) in [
        ("(1000000000000, 1000)", false),
        ("(1000000000000, 1000)", true),
        ("(18446744073709551615, 18446744073709551615)", true),
        ("(3, 3)", false),
    ] {
        let path = file(&folder, "t.npy", npy("<f4", order, shape, &[0; 24]));
        assert!(
            matches!(all(&path), Err(Error::Truncated { found: 24, .. })),
            "{shape}"
        );
    }
    for shape in ["(6,)", "(1, 2, 3)", "()"] {
        let path = file(&folder, "t.npy", npy("<f4", false, shape, &[0; 24]));
        assert!(matches!(all(&path), Err(Error::NpyShape { .. })), "{shape}");
    }
    let path = file(&folder, "t.npy", npy("|O", false, "(3, 2)", &[0; 24]));
    assert!(matches!(all(&path), Err(Error::NpyType { found, .. }) if found == "|O"));
    let path = file(&folder, "t.npy", npy("<f4", false, "(0, 2)", &[]));
    assert!(matches!(
        all(&path),
        Err(Error::Core(qualm::Error::Empty { .. }))
    ));
}

#[test]
fn content_that_is_not_what_the_name_says_is_refused() {
    let folder = folder();
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    for name in ["t.csv", "t.tsv", "t.parquet", "t.arrow", "t.npy", "t.npz"] {
        let path = file(&folder, name, png);
        let error = all(&path).unwrap_err();
        assert!(
            matches!(
                error,
                Error::WrongFormat {
                    found: "a PNG image",
                    ..
                }
            ),
            "{name}"
        );
        let path = file(&folder, name, "");
        assert!(matches!(all(&path), Err(Error::EmptyFile { .. })), "{name}");
    }
    for name in ["t.parquet", "t.arrow", "t.npy", "t.npz"] {
        let path = file(&folder, name, "a,b\n1,2\n");
        assert!(
            matches!(all(&path), Err(Error::WrongFormat { found: "text", .. })),
            "{name}"
        );
    }
    assert!(matches!(
        all(Path::new("/no/such.csv")),
        Err(Error::NotFound { .. })
    ));
    assert!(matches!(
        all(&file(&folder, "t.xlsx", "x")),
        Err(Error::UnknownFormat { .. })
    ));
}

#[test]
fn truncated_binary_tables_are_refused_wherever_they_are_cut() {
    let folder = folder();
    for name in ["t.parquet", "t.arrow"] {
        let path = folder.path().join(name);
        write(&path, &table().project(&[1, 2]).unwrap());
        let whole = std::fs::read(&path).unwrap();
        for end in (0..whole.len()).step_by(7) {
            let cut = file(&folder, name, &whole[..end]);
            assert!(all(&cut).is_err(), "{name} cut at {end}");
        }
    }
}

#[test]
fn damaged_binary_tables_never_panic() {
    let folder = folder();
    let mut state = 1u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for name in ["t.parquet", "t.arrow"] {
        let path = folder.path().join(name);
        write(&path, &table());
        let whole = std::fs::read(&path).unwrap();
        let selection = excluding(&["emb"]);
        for _ in 0..60 {
            let mut bytes = whole.clone();
            let i = random() % bytes.len();
            bytes[i] = random() as u8;
            let damaged = file(&folder, name, &bytes);
            let _ = Source::open(&damaged, &selection, None).and_then(Source::read_all);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), which in 0..9usize) {
        let folder = folder();
        let (name, magic): (_, &[u8]) = [
            ("t.csv", &b""[..]),
            ("t.tsv", b"a\tb\n"),
            ("t.parquet", b"PAR1"),
            ("t.arrow", b"ARROW1\0\0"),
            ("t.npy", b"\x93NUMPY\x01\x00"),
            ("t.npz", b"PK\x03\x04"),
            ("t.jsonl", b"{\"a\": 1}\n"),
            ("t.csv.gz", b"\x1F\x8B\x08"),
            ("t.jsonl.zst", b"\x28\xB5\x2F\xFD"),
        ][which];
        let path = file(&folder, name, [magic, &bytes].concat());
        let _ = all(&path);
    }
}
