//! `repr` of str and bytes: the quote rule and the escapes.

use super::{Sink, is_printable};

/// Python's `repr` of a str.
pub(super) fn write_text(sink: &mut impl Sink, text: &str) {
    // No early exit: whole registers of bytes are looked at together.
    let plain = text.bytes().fold(true, |plain, byte| plain & is_plain(byte));
    if plain {
        sink.push("'");
        sink.push(text);
        sink.push("'");
    } else {
        write_awkward_text(sink, text);
    }
}

fn write_awkward_text(sink: &mut impl Sink, text: &str) {
    let quote = quote_for(text.as_bytes());
    sink.push(quote);
    let mut plain_from = 0;
    for (at, character) in text.char_indices() {
        if escapes(character, quote) {
            sink.push(&text[plain_from..at]);
            write_escape(sink, character);
            plain_from = at + character.len_utf8();
        }
    }
    sink.push(&text[plain_from..]);
    sink.push(quote);
}

/// Python's `repr` of bytes.
pub(super) fn write_bytes(sink: &mut impl Sink, bytes: &[u8]) {
    let quote = quote_for(bytes);
    write_quoted_bytes(sink, bytes, quote, quote);
}

/// Python's `repr` of a bytearray, which escapes single quotes even between double ones.
pub(super) fn write_bytearray(sink: &mut impl Sink, bytes: &[u8]) {
    sink.push("bytearray(");
    write_quoted_bytes(sink, bytes, quote_for(bytes), "'");
    sink.push(")");
}

fn write_quoted_bytes(sink: &mut impl Sink, bytes: &[u8], quote: &str, escaped: &str) {
    sink.push("b");
    sink.push(quote);
    for byte in bytes {
        let character = char::from(*byte);
        match byte {
            b'\t' | b'\n' | b'\r' | b'\\' => write_escape(sink, character),
            0x20..0x7f if !escaped.starts_with(character) => sink.push(character.encode_utf8(&mut [0; 4])),
            _ => write_escape(sink, character),
        }
    }
    sink.push(quote);
}

/// Double quotes only for what contains single quotes and no double ones.
fn quote_for(bytes: &[u8]) -> &'static str {
    if bytes.contains(&b'\'') && !bytes.contains(&b'"') { "\"" } else { "'" }
}

/// Whether a byte stands for itself whatever the quotes; true of most text, so it is asked first.
fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..0x7f) && !matches!(byte, b'\'' | b'"' | b'\\')
}

fn escapes(character: char, quote: &str) -> bool {
    character == '\\' || quote.starts_with(character) || !is_printable(character)
}

fn write_escape(sink: &mut impl Sink, character: char) {
    match character {
        '\t' => sink.push("\\t"),
        '\n' => sink.push("\\n"),
        '\r' => sink.push("\\r"),
        '\\' => sink.push("\\\\"),
        '\'' => sink.push("\\'"),
        '"' => sink.push("\\\""),
        _ => match u32::from(character) {
            code @ ..0x100 => sink.push_fmt(format_args!("\\x{code:02x}")),
            code @ ..0x1_0000 => sink.push_fmt(format_args!("\\u{code:04x}")),
            code => sink.push_fmt(format_args!("\\U{code:08x}")),
        },
    }
}
