//! The reading of a UUID that Python's `uuid.UUID(text)` does, with all that its `int(text, 16)` lets through.

use uuid::Uuid;

/// What Python makes of a text: every `urn:`, `uuid:` and `-` is dropped, braces at the ends too; 32 characters that `int` takes remain.
pub(super) fn parse(text: &str) -> Option<Uuid> {
    let unnamed = text.replace("urn:", "").replace("uuid:", "");
    let hex: String = unnamed.trim_matches(['{', '}']).chars().filter(|character| *character != '-').collect();
    if hex.chars().count() != 32 {
        return None;
    }
    integer(&hex).map(Uuid::from_u128)
}

/// `int(text, 16)`: white space around it, a sign, `0x`, single underscores and any decimal digits of Unicode.
fn integer(text: &str) -> Option<u128> {
    let ascii: String = text.chars().map(to_ascii).collect::<Option<_>>()?;
    let trimmed = ascii.trim_matches(['\t', '\n', '\x0b', '\x0c', '\r', ' ']);
    let unsigned = trimmed.strip_prefix('+').unwrap_or(trimmed);
    let digits = match unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        Some(digits) => digits.strip_prefix('_').unwrap_or(digits),
        None => unsigned,
    };
    let well_placed = !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__");
    let bare: String = digits.chars().filter(|character| *character != '_').collect();
    let hexadecimal = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    (well_placed && hexadecimal).then(|| u128::from_str_radix(&bare, 16).ok())?
}

/// Decimal digits and white space beyond ASCII as their ASCII twins, as Python maps them before it reads a number.
fn to_ascii(character: char) -> Option<char> {
    match character {
        '\0'..='\x7e' => Some(character),
        '\u{85}'
        | '\u{a0}'
        | '\u{1680}'
        | '\u{2000}'..='\u{200a}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{202f}'
        | '\u{205f}'
        | '\u{3000}' => Some(' '),
        _ => {
            let code = u32::from(character);
            let zero = ZEROS[..ZEROS.partition_point(|zero| *zero <= code)].last()?;
            char::from_digit(code - zero, 10)
        }
    }
}

/// The zeros of Unicode 14.0's decimal digits beyond ASCII; one to nine follow each.
#[rustfmt::skip]
static ZEROS: [u32; 65] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090,
    0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50,
    0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730,
    0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140,
    0x1e2f0, 0x1e950, 0x1fbf0,
];
