//! A reader of Python's pickles that builds plain data and runs nothing.
//!
//! It knows containers, numbers, strings, and the few constructors of tensors in [`Constructor`]. An object of any other
//! class stays a class name and the items that were put into it, which is what a subclass of a dictionary needs. A global
//! that only an attack has use for ends the reading.

use super::content::{Fault, damaged};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

/// Values on the stack, in the memo and such that hold others, together; a real file of this family has some tens of thousands.
const MOST_VALUES: usize = 4_000_000;

type Pairs = Rc<RefCell<Vec<(Value, Value)>>>;

/// What a pickle holds.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// None, booleans, floats, bytes, sets: nothing that weights depend on.
    Other,
    Int(i64),
    Text(Rc<str>),
    Tuple(Rc<[Value]>),
    List(Rc<RefCell<Vec<Value>>>),
    Dict(Pairs),
    /// An object of a class that is not known, with the items that it was given as a dictionary is.
    Object(Rc<str>, Pairs),
    Constructor(Constructor),
    /// A reference to data outside the pickle: PyTorch's storages.
    Persistent(Rc<Value>),
    /// A constructor's arguments, not yet looked at.
    Built(Constructor, Rc<[Value]>),
}

/// What a global of a pickle is taken for. It is never called.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Constructor {
    OrderedDict,
    Tensor,
    Parameter,
    /// `_rebuild_from_type_v2`: a tensor of a subclass, or with attributes.
    Typed,
    /// `torch.FloatStorage` and its kin, by name.
    Storage(Rc<str>),
    /// Anything else, by name.
    Unknown(Rc<str>),
}

/// Modules that a checkpoint has no use for and an attack has. Nothing is run either way; but whoever got such a file should
/// know it before another program loads it.
const ATTACKS: [&str; 14] = [
    "os",
    "posix",
    "nt",
    "subprocess",
    "sys",
    "shutil",
    "socket",
    "pty",
    "runpy",
    "importlib",
    "ctypes",
    "webbrowser",
    "pip",
    "code",
];

/// The same among Python's own functions.
const ATTACKING_BUILTINS: [&str; 7] = ["eval", "exec", "execfile", "compile", "__import__", "open", "breakpoint"];

impl Constructor {
    fn find(module: &str, name: &str) -> Result<Constructor, Fault> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Constructor::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Constructor::Tensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Constructor::Parameter,
            ("torch._tensor", "_rebuild_from_type_v2") => Constructor::Typed,
            ("torch", storage) if storage.ends_with("Storage") => Constructor::Storage(storage.into()),
            ("builtins" | "__builtin__", name) if ATTACKING_BUILTINS.contains(&name) => {
                return Err(Fault::Code(format!("{module}.{name}")));
            }
            _ if module.split('.').next().is_some_and(|package| ATTACKS.contains(&package)) => {
                return Err(Fault::Code(format!("{module}.{name}")));
            }
            _ => Constructor::Unknown(format!("{module}.{name}").into()),
        })
    }
}

impl Value {
    pub(super) fn as_usize(&self) -> Option<usize> {
        match self {
            Value::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a tuple or list.
    pub(super) fn elements(&self) -> Option<Vec<Value>> {
        match self {
            Value::Tuple(values) => Some(values.to_vec()),
            Value::List(values) => Some(values.borrow().clone()),
            _ => None,
        }
    }
}

/// The pairs of `OrderedDict([[key, value], …])`, as Python 2 writes it.
fn listed_pairs(arguments: &[Value]) -> Vec<(Value, Value)> {
    let pair = |value: Value| match &value.elements()?[..] {
        [key, value] => Some((key.clone(), value.clone())),
        _ => None,
    };
    let listed = arguments.first().and_then(Value::elements);
    listed.into_iter().flatten().filter_map(pair).collect()
}

/// A pickle that has been read.
pub(super) struct Pickle {
    pub(super) value: Value,
    /// How many bytes it took.
    pub(super) length: usize,
    /// What it says of each piece of data outside of it, in the order in which they are mentioned.
    pub(super) outside: Vec<Value>,
    /// Classes and functions that it names and that were not looked at.
    pub(super) skipped: BTreeSet<Rc<str>>,
    _containers: Containers,
}

/// Every value that holds others, in the order of their making. Dropped last, and one by one: a pickle may nest deeper
/// than the stack allows a recursive drop to go, or hold itself.
#[derive(Default)]
struct Containers(Vec<Value>);

impl Drop for Containers {
    fn drop(&mut self) {
        for value in &self.0 {
            match value {
                Value::List(values) => values.borrow_mut().clear(),
                Value::Dict(pairs) | Value::Object(_, pairs) => pairs.borrow_mut().clear(),
                _ => {}
            }
        }
        // What is left holds only what was made before it.
        while self.0.pop().is_some() {}
    }
}

/// Reads one pickle from the beginning of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Pickle, Fault> {
    let mut machine = Machine {
        bytes,
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
        outside: Vec::new(),
        skipped: BTreeSet::new(),
        containers: Containers::default(),
    };
    loop {
        if let Some(value) = machine.step()? {
            let Machine { at: length, outside, skipped, containers, .. } = machine;
            return Ok(Pickle { value, length, outside, skipped, _containers: containers });
        }
        if machine.stack.len() + machine.memo.len() + machine.containers.0.len() > MOST_VALUES {
            return Err(damaged("its pickle holds too many values"));
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Vec<Option<Value>>,
    outside: Vec<Value>,
    skipped: BTreeSet<Rc<str>>,
    containers: Containers,
}

impl Machine<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], Fault> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| damaged(format!("its pickle breaks off at byte {}", self.bytes.len())))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// A little-endian number of up to 8 bytes.
    fn number(&mut self, count: usize) -> Result<u64, Fault> {
        Ok(self.take(count)?.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn length(&mut self, count: usize) -> Result<usize, Fault> {
        let length = self.number(count)?;
        usize::try_from(length).map_err(|_| damaged("its pickle has an impossible length"))
    }

    fn text(&mut self, length: usize) -> Result<Rc<str>, Fault> {
        let bytes = self.take(length)?;
        Ok(std::str::from_utf8(bytes).map_err(|_| damaged("its pickle has text that is not UTF-8"))?.into())
    }

    fn line(&mut self) -> Result<Rc<str>, Fault> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or_else(|| damaged("its pickle breaks off"))?;
        let text = self.text(length)?;
        self.at += 1;
        Ok(text)
    }

    /// Pushes a value that holds others.
    fn push_container(&mut self, value: Value) {
        self.containers.0.push(value.clone());
        self.stack.push(value);
    }

    fn pop(&mut self) -> Result<Value, Fault> {
        self.stack.pop().ok_or_else(|| damaged("its pickle takes from an empty stack"))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, Fault> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len());
        Ok(self.stack.split_off(mark.ok_or_else(|| damaged("its pickle has no mark"))?))
    }

    fn memoize(&mut self, slot: usize) -> Result<(), Fault> {
        if slot > MOST_VALUES {
            return Err(damaged("its pickle remembers too many values"));
        }
        let value = self.stack.last().cloned().ok_or_else(|| damaged("its pickle remembers nothing"))?;
        if slot >= self.memo.len() {
            self.memo.resize(slot + 1, None);
        }
        self.memo[slot] = Some(value);
        Ok(())
    }

    fn recall(&mut self, slot: usize) -> Result<(), Fault> {
        let value = self.memo.get(slot).cloned().flatten();
        self.stack.push(value.ok_or_else(|| damaged("its pickle recalls what it never had"))?);
        Ok(())
    }

    fn tuple(&mut self, count: usize) -> Result<(), Fault> {
        let start = self.stack.len().checked_sub(count).ok_or_else(|| damaged("its pickle has too few values"))?;
        let values = self.stack.split_off(start);
        self.push_container(Value::Tuple(values.into()));
        Ok(())
    }

    /// Puts pairs into the dictionary on top of the stack.
    fn set_items(&mut self, items: Vec<Value>) -> Result<(), Fault> {
        let Some(Value::Dict(dict) | Value::Object(_, dict)) = self.stack.last() else {
            return Err(damaged("its pickle sets items of something that is not a dictionary"));
        };
        let mut dict = dict.borrow_mut();
        for pair in items.chunks_exact(2) {
            dict.push((pair[0].clone(), pair[1].clone()));
        }
        Ok(())
    }

    fn append(&mut self, items: Vec<Value>) -> Result<(), Fault> {
        match self.stack.last() {
            Some(Value::List(list)) => list.borrow_mut().extend(items),
            // A subclass of a list, a set: nothing of it is needed.
            Some(Value::Object(..) | Value::Other) => {}
            _ => return Err(damaged("its pickle appends to something that is not a list")),
        }
        Ok(())
    }

    /// What Python would do by calling `callee`: here it becomes a value that says so.
    fn construct(&mut self, callee: Value, arguments: Value) -> Result<(), Fault> {
        let value = match (callee, arguments) {
            (Value::Constructor(Constructor::OrderedDict), Value::Tuple(arguments)) => {
                Value::Dict(Rc::new(RefCell::new(listed_pairs(&arguments))))
            }
            (Value::Constructor(Constructor::Unknown(class)) | Value::Object(class, _), _) => {
                Value::Object(class, Rc::default())
            }
            (Value::Constructor(constructor), Value::Tuple(arguments)) => Value::Built(constructor, arguments),
            _ => return Err(damaged("its pickle calls something that cannot be called")),
        };
        self.push_container(value);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), Fault> {
        let constructor = Constructor::find(module, name)?;
        if let Constructor::Unknown(name) = &constructor {
            self.skipped.insert(Rc::clone(name));
        }
        self.stack.push(Value::Constructor(constructor));
        Ok(())
    }

    /// Executes one instruction; a value ends the pickle. Opcodes: `Lib/pickletools.py` of CPython.
    fn step(&mut self) -> Result<Option<Value>, Fault> {
        let opcode = self.take(1)?[0];
        match opcode {
            b'.' => return self.pop().map(Some),
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let value = self.stack.last().cloned();
                self.stack.push(value.ok_or_else(|| damaged("its pickle doubles nothing"))?);
            }
            b'N' | 0x88 | 0x89 => self.stack.push(Value::Other),
            b'K' => {
                let value = self.number(1)? as i64;
                self.stack.push(Value::Int(value));
            }
            b'M' => {
                let value = self.number(2)? as i64;
                self.stack.push(Value::Int(value));
            }
            b'J' => {
                let value = i64::from(self.number(4)? as u32 as i32);
                self.stack.push(Value::Int(value));
            }
            0x8a | 0x8b => {
                // Little-endian two's complement of any length. What is longer than 8 bytes (PyTorch's magic number)
                // is told apart before it comes here.
                let count = self.length(if opcode == 0x8a { 1 } else { 4 })?;
                let bytes = self.take(count)?;
                let fill = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
                let mut word = [fill; 8];
                let kept = bytes.len().min(8);
                word[..kept].copy_from_slice(&bytes[..kept]);
                self.stack.push(Value::Int(i64::from_le_bytes(word)));
            }
            b'G' => {
                self.take(8)?;
                self.stack.push(Value::Other);
            }
            b'X' | 0x8c | 0x8d => {
                let length = self.length(match opcode {
                    b'X' => 4,
                    0x8d => 8,
                    _ => 1,
                })?;
                let text = self.text(length)?;
                self.stack.push(Value::Text(text));
            }
            // Texts of Python 2, which are bytes of any encoding.
            b'T' | b'U' => {
                let length = self.length(if opcode == b'T' { 4 } else { 1 })?;
                let text = std::str::from_utf8(self.take(length)?).ok().map(Rc::from);
                self.stack.push(text.map_or(Value::Other, Value::Text));
            }
            b'B' | b'C' | 0x8e | 0x96 => {
                let length = self.length(match opcode {
                    b'B' => 4,
                    b'C' => 1,
                    _ => 8,
                })?;
                self.take(length)?;
                self.stack.push(Value::Other);
            }
            0x8f => self.stack.push(Value::Other),
            0x91 => {
                self.pop_to_mark()?;
                self.stack.push(Value::Other);
            }
            b')' => self.push_container(Value::Tuple(Rc::new([]))),
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let values = self.pop_to_mark()?;
                self.push_container(Value::Tuple(values.into()));
            }
            b']' => self.push_container(Value::List(Rc::default())),
            b'}' => self.push_container(Value::Dict(Rc::default())),
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.pop_to_mark()?;
                self.append(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(vec![key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(items)?;
            }
            b'q' => {
                let slot = self.length(1)?;
                self.memoize(slot)?;
            }
            b'r' => {
                let slot = self.length(4)?;
                self.memoize(slot)?;
            }
            0x94 => self.memoize(self.memo.len())?,
            b'h' => {
                let slot = self.length(1)?;
                self.recall(slot)?;
            }
            b'j' => {
                let slot = self.length(4)?;
                self.recall(slot)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(&module, &name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Some(module), Some(name)) = (module.as_text(), name.as_text()) else {
                    return Err(damaged("its pickle names a global by something that is not text"));
                };
                self.global(module, name)?;
            }
            b'Q' => {
                let value = Value::Persistent(Rc::new(self.pop()?));
                self.outside.push(value.clone());
                self.push_container(value);
            }
            b'R' | 0x81 => {
                let (arguments, callee) = (self.pop()?, self.pop()?);
                self.construct(callee, arguments)?;
            }
            0x92 => {
                let (_keywords, arguments, callee) = (self.pop()?, self.pop()?, self.pop()?);
                self.construct(callee, arguments)?;
            }
            // An object's attributes, `_metadata` of an OrderedDict: nothing that weights need.
            b'b' => drop(self.pop()?),
            other => {
                return Err(damaged(format!("its pickle has the instruction 0x{other:02x} at byte {}", self.at - 1)));
            }
        }
        Ok(None)
    }
}
