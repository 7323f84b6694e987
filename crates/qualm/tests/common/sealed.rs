//! Model files put together by hand.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "every suite uses its own part"
)]

use serde_json::Value;
use sha2::{Digest, Sha256};

/// A file from a header and a body.
pub fn file(header: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(body);
    bytes
}

/// A file from a header and a body, its digest made to fit: a forger can do that too.
pub fn sealed(mut header: Value, body: &[u8]) -> Vec<u8> {
    let text = header["__metadata__"]["qualm"].as_str().unwrap_or_default();
    if let Ok(Value::Object(mut json)) = serde_json::from_str(text) {
        json.remove("sha256");
        let mut hash = Sha256::new();
        hash.update(Value::Object(json.clone()).to_string());
        hash.update(body);
        let hex: Vec<String> = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        json.insert("sha256".to_owned(), hex.concat().into());
        header["__metadata__"]["qualm"] = Value::Object(json).to_string().into();
    }
    file(&header.to_string(), body)
}

/// The file of a network whose weights are so large that a row of zeros has a score and a row
/// of hundreds overflows.
pub fn overflowing(bytes: &[u8]) -> Vec<u8> {
    let (length, rest) = bytes.split_at(8);
    let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
    let (header, body) = rest.split_at(length);
    let header: Value = serde_json::from_slice(header).unwrap();
    let mut body = body.to_vec();
    for layer in 0..2 {
        let offsets = &header[format!("member.0.network.{layer}.weight")]["data_offsets"];
        let at = |i: usize| offsets[i].as_u64().unwrap() as usize;
        for weight in body[at(0)..at(1)].chunks_exact_mut(4) {
            weight.copy_from_slice(&1e30_f32.to_le_bytes());
        }
    }
    sealed(header, &body)
}
