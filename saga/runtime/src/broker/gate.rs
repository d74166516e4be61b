//! What the client library gets to see of the broker's bytes. The library reads a message's properties by recursion and
//! takes short texts for UTF-8, while the broker passes on whatever a publisher wrote: a header that is nested deeply
//! enough would overflow a stack, and a text of other bytes would end the connection, at each delivery again. So both
//! are mended on the way in; a message's body is never touched.

/// How deep headers may be nested. A table or list below that is handed on as the bytes that it is.
pub(super) const DEEPEST: usize = 32;
/// A frame of properties as large as clients and broker agree on; a larger one would not fit the library's buffer.
const LARGEST: usize = 131_072;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
/// Kind, channel and size, before the payload; one byte ends a frame.
const BEFORE: usize = 7;
/// `basic.deliver`: class and method.
const DELIVER: [u8; 4] = [0, 60, 0, 60];
/// Class, weight and the body's size, before the properties.
const BEFORE_PROPERTIES: usize = 12;
const FRAME_END: u8 = 0xCE;

/// Takes the broker's bytes in whatever pieces they come, and hands on frames that can be read without harm.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// The beginning of a frame that has to be seen whole.
    held: Vec<u8>,
    /// How many bytes of the present frame pass as they are.
    passing: usize,
}

impl Gate {
    /// Appends to `out` what may pass.
    pub(super) fn pass(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if self.passing > 0 {
                let (now, rest) = bytes.split_at(self.passing.min(bytes.len()));
                out.extend_from_slice(now);
                (self.passing, bytes) = (self.passing - now.len(), rest);
                continue;
            }
            let wanted = self.whole().unwrap_or(BEFORE);
            let (now, rest) = bytes.split_at((wanted - self.held.len()).min(bytes.len()));
            self.held.extend_from_slice(now);
            bytes = rest;
            self.settle(out);
        }
    }

    /// The size of the frame that is held, once it is known.
    fn whole(&self) -> Option<usize> {
        let size = self.held.get(3..BEFORE)?;
        Some(BEFORE + size.iter().fold(0, |size, byte| size << 8 | usize::from(*byte)) + 1)
    }

    fn settle(&mut self, out: &mut Vec<u8>) {
        let Some(whole) = self.whole() else { return };
        if self.held[0] == METHOD || self.held[0] == HEADER {
            if self.held.len() < whole {
                return;
            }
            tame(&mut self.held);
        } else {
            self.passing = whole - BEFORE;
        }
        out.append(&mut self.held);
    }
}

/// Mends one whole frame.
fn tame(frame: &mut Vec<u8>) {
    let end = frame.len() - 1;
    if frame[0] == METHOD {
        if frame[BEFORE..].starts_with(&DELIVER) {
            // If it is no delivery after all, the library says so.
            let _ = Reader { bytes: &mut frame[BEFORE..end], at: DELIVER.len() }.delivery();
        }
        return;
    }
    let properties = BEFORE + BEFORE_PROPERTIES;
    let readable = end >= properties && end <= LARGEST && {
        let reader = Reader { bytes: &mut frame[properties..end], at: 0 };
        reader.properties().is_some()
    };
    if !readable && end >= properties {
        tracing::warn!("the properties of a message cannot be read; it is taken without them");
        frame.truncate(properties);
        frame.extend_from_slice(&[0, 0, FRAME_END]);
        frame[3..BEFORE].copy_from_slice(&[0, 0, 0, (BEFORE_PROPERTIES + 2) as u8]);
    }
}

/// Walks over a payload and mends it in place: nothing changes its length.
struct Reader<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Reader<'_> {
    /// The rest of `basic.deliver`: consumer, number and flag, exchange, routing key.
    fn delivery(mut self) -> Option<()> {
        self.text()?;
        self.skip(9)?;
        self.text()?;
        self.text()
    }

    /// Flags, and the properties that they announce, in the order of their bits.
    fn properties(mut self) -> Option<()> {
        let flags = self.number(2)?;
        let announced = |bit: usize| flags & (1 << bit) != 0;
        for bit in (2..16).rev().filter(|bit| announced(*bit)) {
            match bit {
                13 => self.nested(DEEPEST, true)?,
                11 | 12 => self.skip(1)?,
                6 => self.skip(8)?,
                _ => self.text()?,
            }
        }
        // Bits that no property has.
        (flags & 0b11 == 0 && self.at == self.bytes.len()).then_some(())
    }

    /// A table, whose entries have names, or a list.
    fn nested(&mut self, left: usize, names: bool) -> Option<()> {
        let end = self.number(4)?.checked_add(self.at)?;
        while self.at < end {
            if names {
                self.text()?;
            }
            self.value(left)?;
        }
        (self.at == end).then_some(())
    }

    fn value(&mut self, left: usize) -> Option<()> {
        let tag = self.at;
        self.skip(1)?;
        match self.bytes[tag] {
            b'V' => Some(()),
            b't' | b'b' | b'B' => self.skip(1),
            b's' | b'U' | b'u' => self.skip(2),
            b'I' | b'i' | b'f' => self.skip(4),
            b'D' => self.skip(5),
            b'L' | b'l' | b'd' | b'T' => self.skip(8),
            b'S' | b'x' => self.long(),
            b'A' | b'F' if left == 0 => {
                self.bytes[tag] = b'x';
                self.long()
            }
            kind @ (b'A' | b'F') => self.nested(left - 1, kind == b'F'),
            _ => None,
        }
    }

    /// A short text. Bytes that are no UTF-8 become question marks.
    fn text(&mut self) -> Option<()> {
        let length = self.number(1)?;
        let start = self.at;
        self.skip(length)?;
        let text = &mut self.bytes[start..self.at];
        if std::str::from_utf8(text).is_err() {
            text.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
        }
        Some(())
    }

    /// A long text, or bytes.
    fn long(&mut self) -> Option<()> {
        let length = self.number(4)?;
        self.skip(length)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        let start = self.at;
        self.skip(bytes)?;
        Some(self.bytes[start..self.at].iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.at = self.at.checked_add(bytes).filter(|at| *at <= self.bytes.len())?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[kind, 0, 1], &size[..], payload, &[FRAME_END]].concat()
    }

    /// A frame of properties: their flags and their bytes.
    fn header(flags: u16, properties: &[u8]) -> Vec<u8> {
        frame(HEADER, &[&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7][..], &flags.to_be_bytes(), properties].concat())
    }

    fn long(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }

    /// A table with one entry: lists or tables within each other, this many.
    fn nested(kind: u8, depth: usize) -> Vec<u8> {
        let name: &[u8] = if kind == b'F' { b"\x01k" } else { b"" };
        let inner = (0..depth).fold(vec![b'V'], |inner, _| [&[kind][..], &long(&[name, &inner].concat())].concat());
        long(&[b"\x01h", &inner[..]].concat())
    }

    const HEADERS: u16 = 1 << 13;
    const MESSAGE_ID: u16 = 1 << 7;

    /// What passes, whatever the pieces are that it comes in.
    fn passed(bytes: &[u8]) -> Vec<u8> {
        let mut whole = Vec::new();
        Gate::default().pass(bytes, &mut whole);
        for size in [1, 2, 3, 7, 8, 100] {
            let (mut gate, mut out) = (Gate::default(), Vec::new());
            bytes.chunks(size).for_each(|piece| gate.pass(piece, &mut out));
            assert!(out == whole, "in pieces of {size}");
        }
        whole
    }

    #[test]
    fn what_can_be_read_passes_as_it_is() {
        let deliver = [&DELIVER[..], b"\x02ct", &[0; 9], b"\x00", "\u{5}zoë!".as_bytes()].concat();
        let all =
            [&[0x4, b'z', b'o', 0xC3, 0xAB][..], b"\x00", &nested(b'F', DEEPEST), &[2, 0], &[0; 4], &[0; 8], &[0; 4]];
        let frames = [
            frame(METHOD, &[0, 10, 0, 10, 0xFF]),
            frame(METHOD, &deliver),
            header(0xFFFC, &all.concat()),
            header(0, &[]),
            frame(3, &[0xFF; 300]),
            frame(8, &[]),
        ];
        assert_eq!(passed(&frames.concat()), frames.concat());
        assert_eq!(passed(b"AMQP\x00\x00\x09\x01 and more"), b"AMQP\x00\x00\x09\x01 and more");
    }

    #[test]
    fn what_is_nested_too_deeply_becomes_the_bytes_that_it_is() {
        for kind in [b'A', b'F'] {
            let (deep, next) = (header(HEADERS, &nested(kind, 18_000)), frame(3, b"body"));
            let out = passed(&[deep.clone(), next.clone()].concat());
            let changed: Vec<usize> = (0..deep.len()).filter(|at| deep[*at] != out[*at]).collect();
            assert_eq!((out.len(), changed.len()), (deep.len() + next.len(), 1));
            assert_eq!((deep[changed[0]], out[changed[0]]), (kind, b'x'));
        }
    }

    #[test]
    fn texts_that_are_no_utf8_are_marked() {
        let id = |text: &[u8]| header(MESSAGE_ID, &[&[u8::try_from(text.len()).unwrap()], text].concat());
        assert_eq!(passed(&id(b"a\xFFb\xC3")), id(b"a?b?"));
        let key = |text: &[u8]| header(HEADERS, &long(&[&[2], text, b"V"].concat()));
        assert_eq!(passed(&key(b"\xC3\x28")), key(b"?("));
        let deliver = |text: &[u8]| frame(METHOD, &[&DELIVER[..], b"\x00", &[0; 9], b"\x00\x03", text].concat());
        assert_eq!(passed(&deliver(b"k.\x80")), deliver(b"k.?"));
    }

    #[test]
    fn properties_that_cannot_be_read_are_left_out() {
        let bare = header(0, &[]);
        let (unknown, torn) = (long(b"\x01k?"), long(b"\x01kS\x00\x00\x00\xFF"));
        let huge = long(&[b"\x01kS", &long(&vec![0; LARGEST])[..]].concat());
        for headers in [unknown, torn, huge, vec![0, 0, 0, 9]] {
            assert_eq!(passed(&header(HEADERS, &headers)), bare);
        }
        assert_eq!(passed(&header(1, &[])), bare);
        assert_eq!(passed(&header(0, b"more")), bare);
    }
}
