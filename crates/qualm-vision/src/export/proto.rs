//! The few messages of ONNX (onnx.proto, version 1.23) that a convolutional network needs, written
//! as protocol buffers.
//!
//! Written by hand: only six messages are needed and none is read, which is less code than their
//! declarations for a library, and one dependency fewer.

/// A message under way: fields in the order they are added.
#[derive(Debug, Clone, Default)]
pub(super) struct Message(Vec<u8>);

/// How a value follows its field number.
const VARINT: u64 = 0;
const BYTES: u64 = 2;

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(super) fn int(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3 | VARINT);
        self.varint(value);
        self
    }

    pub(super) fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.varint(field << 3 | BYTES);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    pub(super) fn text(self, field: u64, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    pub(super) fn message(self, field: u64, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    pub(super) fn all(self, field: u64, values: impl IntoIterator<Item = Self>) -> Self {
        (values.into_iter()).fold(self, |message, value| message.message(field, &value))
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// `TensorProto.DataType` of float32.
const FLOAT: u64 = 1;
/// And of int64.
const INT64: u64 = 7;
/// `AttributeProto.AttributeType` of a list of integers.
const INTS: u64 = 7;
/// And of one integer.
const INT: u64 = 2;

fn tensor(name: &str, kind: u64, shape: &[usize], data: &[u8]) -> Message {
    let dims = shape.iter();
    dims.fold(Message::default(), |m, &n| m.int(1, n as u64))
        .int(2, kind)
        .text(8, name)
        .bytes(9, data)
}

/// A float32 tensor.
pub(super) fn floats(name: &str, shape: &[usize], values: &[f32]) -> Message {
    let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    tensor(name, FLOAT, shape, &data)
}

/// A vector of int64, none of them below 0.
pub(super) fn integers(name: &str, values: &[u64]) -> Message {
    let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    tensor(name, INT64, &[values.len()], &data)
}

/// An attribute of a node: a list of integers.
pub(super) fn ints(name: &str, values: &[u64]) -> Message {
    let message = Message::default().text(1, name);
    let message = values.iter().fold(message, |m, &v| m.int(8, v));
    message.int(20, INTS)
}

/// An attribute of a node: an integer.
pub(super) fn int(name: &str, value: u64) -> Message {
    Message::default().text(1, name).int(3, value).int(20, INT)
}

/// A node, named after its output.
pub(super) fn node(
    operator: &str,
    inputs: &[&str],
    output: &str,
    attributes: impl IntoIterator<Item = Message>,
) -> Message {
    let inputs = inputs.iter();
    inputs
        .fold(Message::default(), |m, input| m.text(1, input))
        .text(2, output)
        .text(3, output)
        .text(4, operator)
        .all(5, attributes)
}

/// An input or output of float32 whose first dimension is the batch, of any size.
pub(super) fn value(name: &str, shape: &[usize]) -> Message {
    let batch = Message::default().text(2, "batch");
    let dims = shape.iter().map(|&n| Message::default().int(1, n as u64));
    let shape = Message::default().message(1, &batch).all(1, dims);
    let tensor = Message::default().int(1, FLOAT).message(2, &shape);
    let kind = Message::default().message(1, &tensor);
    Message::default().text(1, name).message(2, &kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_the_specification() {
        // The examples of protobuf.dev, "Encoding": field 1 = 150, field 2 = "testing".
        let message = Message::default().int(1, 150).text(2, "testing");
        let expected = b"\x08\x96\x01\x12\x07testing";
        assert_eq!(message.into_bytes(), expected);
    }
}
