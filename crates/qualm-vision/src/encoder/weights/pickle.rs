//! A reader of the pickles that hold state dicts, which runs nothing.
//!
//! A pickle is a program for a stack machine; Python's own reader lets it call anything. This one
//! knows the instructions that `torch.save` writes for dictionaries of tensors and numbers
//! (protocols 2 to 5 of Lib/pickletools.py), and of what can be called the few names in
//! [`Named`]; anything else is refused by name. Objects live in one list and refer to each other
//! by place, so that nothing is nested here however deep it is there, and every instruction adds
//! at most one: memory is bounded by the length of the pickle.

use std::collections::HashMap;

use super::numbers::Kind;

/// What a pickle may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Kind),
}

impl Named {
    fn find(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "FloatStorage") => Self::Storage(Kind::F32),
            ("torch", "HalfStorage") => Self::Storage(Kind::F16),
            ("torch", "BFloat16Storage") => Self::Storage(Kind::Bf16),
            ("torch", "DoubleStorage") => Self::Storage(Kind::F64),
            ("torch", "LongStorage") => Self::Storage(Kind::Other("int64", 8)),
            ("torch", "IntStorage") => Self::Storage(Kind::Other("int32", 4)),
            ("torch", "ShortStorage") => Self::Storage(Kind::Other("int16", 2)),
            ("torch", "CharStorage") => Self::Storage(Kind::Other("int8", 1)),
            ("torch", "ByteStorage") => Self::Storage(Kind::Other("uint8", 1)),
            ("torch", "BoolStorage") => Self::Storage(Kind::Other("bool", 1)),
            _ => return None,
        })
    }
}

/// The place of an object in the list of all.
pub(super) type Place = usize;

/// An object of a pickle.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Object {
    None,
    /// A number that is not whole, or too large to count with.
    Number,
    Bool,
    Whole(i64),
    Text(String),
    Tuple(Vec<Place>),
    List(Vec<Place>),
    Dict(Vec<(Place, Place)>),
    Named(Named),
    Storage(Storage),
    Tensor(TensorOf),
}

/// A run of values in a file of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) kind: Kind,
    pub(super) key: String,
    pub(super) values: usize,
}

/// Values of a storage, by their strides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TensorOf {
    pub(super) storage: Storage,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// The objects of a pickle.
#[derive(Debug)]
pub(super) struct Objects {
    all: Vec<Object>,
    /// The one that the pickle is of.
    pub(super) top: Place,
}

impl Objects {
    pub(super) fn get(&self, place: Place) -> &Object {
        self.all.get(place).unwrap_or(&Object::None)
    }

    pub(super) fn text(&self, place: Place) -> Option<&str> {
        match self.get(place) {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads a pickle.
///
/// # Errors
/// What it holds that is not allowed, or where it is broken, in words that follow "its pickle
/// holds".
pub(super) fn read(bytes: &[u8]) -> Result<Objects, String> {
    let mut machine = Machine {
        bytes,
        at: 0,
        all: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    let top = machine.run()?;
    Ok(Objects {
        all: machine.all,
        top,
    })
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    all: Vec<Object>,
    stack: Vec<Place>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<usize, Place>,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Place, String> {
        loop {
            let at = self.at;
            let [code] = self.array()?;
            match code {
                // PROTO, FRAME
                0x80 => drop(self.array::<1>()?),
                0x95 => drop(self.array::<8>()?),
                b'.' => return self.pop(),
                b'(' => self.marks.push(self.stack.len()),
                b'0' => drop(self.pop()?),
                b'N' => self.push(Object::None),
                0x88 | 0x89 => self.push(Object::Bool),
                b'K' => self.whole::<1>()?,
                b'M' => self.whole::<2>()?,
                b'J' => {
                    let number = i32::from_le_bytes(self.array()?);
                    self.push(Object::Whole(number.into()));
                }
                0x8a => self.long()?,
                b'G' => {
                    self.array::<8>()?;
                    self.push(Object::Number);
                }
                // T and U: bytes of Python 2, which only names use.
                b'X' | b'T' => self.text::<4>()?,
                0x8c | b'U' => self.text::<1>()?,
                0x8d => self.text::<8>()?,
                b')' => self.push(Object::Tuple(Vec::new())),
                b't' => {
                    let items = self.since_mark()?;
                    self.push(Object::Tuple(items));
                }
                0x85 => self.tuple::<1>()?,
                0x86 => self.tuple::<2>()?,
                0x87 => self.tuple::<3>()?,
                b']' => self.push(Object::List(Vec::new())),
                b'a' => {
                    let item = self.pop()?;
                    self.extend(vec![item])?;
                }
                b'e' => {
                    let items = self.since_mark()?;
                    self.extend(items)?;
                }
                b'}' => self.push(Object::Dict(Vec::new())),
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set(&[key, value])?;
                }
                b'u' => {
                    let items = self.since_mark()?;
                    self.set(&items)?;
                }
                b'q' => {
                    let [place] = self.array()?;
                    self.remember(usize::from(place))?;
                }
                b'r' => {
                    let place = u32::from_le_bytes(self.array()?);
                    self.remember(place as usize)?;
                }
                0x94 => self.remember(self.memo.len())?,
                b'h' => {
                    let [place] = self.array()?;
                    self.recall(usize::from(place))?;
                }
                b'j' => {
                    let place = u32::from_le_bytes(self.array()?);
                    self.recall(place as usize)?;
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.name(&module, &name)?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let text = |place| match self.all.get(place) {
                        Some(Object::Text(text)) => Ok(text.clone()),
                        _ => Err("a name that is no text".to_owned()),
                    };
                    let (module, name) = (text(module)?, text(name)?);
                    self.name(&module, &name)?;
                }
                b'Q' => self.storage()?,
                b'R' => self.call()?,
                b'b' => self.build()?,
                other => {
                    return Err(format!("the instruction {other:#04x} at byte {at}"));
                }
            }
        }
    }

    fn broken(&self) -> String {
        format!("no sense at byte {}: it is damaged", self.at)
    }

    fn take(&mut self, n: usize) -> Result<&[u8], String> {
        let end = self
            .at
            .checked_add(n)
            .filter(|end| *end <= self.bytes.len());
        let Some(end) = end else {
            return Err("no end: it is cut short".to_owned());
        };
        let bytes = self.bytes.get(self.at..end).unwrap_or_default();
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| self.broken())
    }

    /// A number of `N` bytes, the lowest first.
    fn length<const N: usize>(&mut self) -> Result<usize, String> {
        let bytes = self.array::<N>()?;
        let number = bytes
            .iter()
            .rev()
            .fold(0_u64, |n, b| n << 8 | u64::from(*b));
        usize::try_from(number).map_err(|_| self.broken())
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|b| *b == b'\n');
        let length = length.ok_or_else(|| self.broken())?;
        let text = String::from_utf8_lossy(self.take(length + 1)?);
        Ok(text.trim_end().to_owned())
    }

    fn push(&mut self, object: Object) {
        self.stack.push(self.all.len());
        self.all.push(object);
    }

    fn pop(&mut self) -> Result<Place, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(self.broken());
        }
        self.stack.pop().ok_or_else(|| self.broken())
    }

    fn since_mark(&mut self) -> Result<Vec<Place>, String> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len());
        let mark = mark.ok_or_else(|| self.broken())?;
        Ok(self.stack.split_off(mark))
    }

    fn whole<const N: usize>(&mut self) -> Result<(), String> {
        let number = self.length::<N>()?;
        self.push(i64::try_from(number).map_or(Object::Number, Object::Whole));
        Ok(())
    }

    /// A whole number of up to 255 bytes, in two's complement.
    fn long(&mut self) -> Result<(), String> {
        let n = self.length::<1>()?;
        let bytes = self.take(n)?;
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut number = [if negative { 0xff } else { 0 }; 8];
        let object = match number.get_mut(..n) {
            Some(low) => {
                low.copy_from_slice(bytes);
                Object::Whole(i64::from_le_bytes(number))
            }
            None => Object::Number,
        };
        self.push(object);
        Ok(())
    }

    fn text<const N: usize>(&mut self) -> Result<(), String> {
        let n = self.length::<N>()?;
        let text = String::from_utf8_lossy(self.take(n)?).into_owned();
        self.push(Object::Text(text));
        Ok(())
    }

    fn tuple<const N: usize>(&mut self) -> Result<(), String> {
        let mut items = Vec::with_capacity(N);
        for _ in 0..N {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Object::Tuple(items));
        Ok(())
    }

    fn extend(&mut self, items: Vec<Place>) -> Result<(), String> {
        let top = self.stack.last().and_then(|top| self.all.get_mut(*top));
        match top {
            Some(Object::List(list)) => {
                list.extend(items);
                Ok(())
            }
            _ => Err(self.broken()),
        }
    }

    fn set(&mut self, items: &[Place]) -> Result<(), String> {
        let top = self.stack.last().and_then(|top| self.all.get_mut(*top));
        match top {
            Some(Object::Dict(entries)) => {
                let (pairs, _) = items.as_chunks::<2>();
                entries.extend(pairs.iter().map(|[key, value]| (*key, *value)));
                Ok(())
            }
            _ => Err(self.broken()),
        }
    }

    fn remember(&mut self, place: usize) -> Result<(), String> {
        let top = self.stack.last().copied();
        let top = top.ok_or_else(|| self.broken())?;
        self.memo.insert(place, top);
        Ok(())
    }

    fn recall(&mut self, place: usize) -> Result<(), String> {
        let object = self.memo.get(&place).copied();
        self.stack.push(object.ok_or_else(|| self.broken())?);
        Ok(())
    }

    fn name(&mut self, module: &str, name: &str) -> Result<(), String> {
        let named = Named::find(module, name);
        let named = named.ok_or_else(|| {
            let name: String = format!("{module}.{name}").chars().take(80).collect();
            format!("the name {name}")
        })?;
        self.push(Object::Named(named));
        Ok(())
    }

    fn object(&self, place: Option<&Place>) -> Option<&Object> {
        self.all.get(*place?)
    }

    /// The storage that a persistent id names: `('storage', type, key, device, values)`.
    fn storage(&mut self) -> Result<(), String> {
        let id = self.pop()?;
        let Some(Object::Tuple(parts)) = self.all.get(id) else {
            return Err("a reference that is not to a storage".to_owned());
        };
        let [word, kind, key, _, values] = [0, 1, 2, 3, 4].map(|i| self.object(parts.get(i)));
        let storage = match (word, kind, key, values) {
            (
                Some(Object::Text(word)),
                Some(Object::Named(Named::Storage(kind))),
                Some(Object::Text(key)),
                Some(Object::Whole(values)),
            ) if word == "storage" => usize::try_from(*values).ok().map(|values| Storage {
                kind: *kind,
                key: key.clone(),
                values,
            }),
            _ => None,
        };
        let storage = storage.ok_or("a reference that is not to a storage")?;
        self.push(Object::Storage(storage));
        Ok(())
    }

    fn call(&mut self) -> Result<(), String> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Some(Object::Tuple(arguments)) = self.all.get(arguments) else {
            return Err(self.broken());
        };
        let object = match self.all.get(function) {
            Some(Object::Named(Named::OrderedDict)) => match self.object(arguments.first()) {
                None => Object::Dict(Vec::new()),
                Some(Object::List(pairs)) => {
                    let pair = |place: &Place| match self.all.get(*place) {
                        Some(Object::Tuple(pair) | Object::List(pair)) => match pair[..] {
                            [key, value] => Ok((key, value)),
                            _ => Err(self.broken()),
                        },
                        _ => Err(self.broken()),
                    };
                    Object::Dict(pairs.iter().map(pair).collect::<Result<_, _>>()?)
                }
                Some(_) => return Err(self.broken()),
            },
            Some(Object::Named(Named::RebuildTensor)) => {
                Object::Tensor(self.tensor(arguments).ok_or_else(|| self.broken())?)
            }
            Some(Object::Named(Named::RebuildParameter)) => match self.object(arguments.first()) {
                Some(Object::Tensor(tensor)) => Object::Tensor(tensor.clone()),
                _ => return Err(self.broken()),
            },
            _ => return Err("a call of something that is no function".to_owned()),
        };
        self.push(object);
        Ok(())
    }

    /// Of `(storage, offset, shape, strides, requires_grad, hooks, ...)`.
    fn tensor(&self, arguments: &[Place]) -> Option<TensorOf> {
        let whole = |object: &Object| match object {
            Object::Whole(number) => usize::try_from(*number).ok(),
            _ => None,
        };
        let numbers = |place: Option<&Place>| match self.object(place) {
            Some(Object::Tuple(items)) => {
                let number = |place| whole(self.object(Some(place))?);
                items.iter().map(number).collect::<Option<Vec<usize>>>()
            }
            _ => None,
        };
        let Some(Object::Storage(storage)) = self.object(arguments.first()) else {
            return None;
        };
        let (shape, strides) = (numbers(arguments.get(2))?, numbers(arguments.get(3))?);
        (shape.len() == strides.len() && shape.len() <= 8).then_some(())?;
        Some(TensorOf {
            storage: storage.clone(),
            offset: whole(self.object(arguments.get(1))?)?,
            shape,
            strides,
        })
    }

    /// The attributes of a dictionary, such as `_metadata`, say nothing of its tensors.
    fn build(&mut self) -> Result<(), String> {
        self.pop()?;
        let top = self.stack.last().and_then(|top| self.all.get(*top));
        match top {
            Some(Object::Dict(_)) => Ok(()),
            _ => Err("an object that is set up from its attributes".to_owned()),
        }
    }
}
