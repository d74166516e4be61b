//! `repr` of float: the shortest digits that read back as the same double, in Python's layout.

use super::Sink;

/// Python's `repr` of a float.
pub(super) fn write_float(sink: &mut impl Sink, value: f64) {
    write_layout(sink, value, ".0");
}

/// A float as a part of a complex number: without the `.0` that whole numbers end in.
pub(super) fn write_component(sink: &mut impl Sink, value: f64) {
    write_layout(sink, value, "");
}

fn write_layout(sink: &mut impl Sink, value: f64, whole_ends_in: &str) {
    if value.is_nan() {
        return sink.push("nan");
    }
    if value.is_sign_negative() {
        sink.push("-");
    }
    if value.is_infinite() {
        return sink.push("inf");
    }
    let mut buffer = zmij::Buffer::new();
    let (digits, exponent) = Digits::read(buffer.format_finite(value.abs()));
    digits.write(sink, exponent, whole_ends_in);
}

/// The significant digits d1 to dn, without zeros at either end; `0` for zero. A double has at most seventeen.
struct Digits {
    digits: [u8; Self::MOST],
    count: usize,
}

impl Digits {
    const MOST: usize = 32;

    /// Reads the shortest text of a number, whatever its layout, as digits and the exponent e of d1.d2..dn x 10^e.
    fn read(text: &str) -> (Self, i32) {
        let (mantissa, written_exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().unwrap_or_default()),
            None => (text, 0),
        };
        let mut digits = Digits { digits: [b'0'; Self::MOST], count: 0 };
        let mut exponent = written_exponent - 1;
        let mut fraction = false;
        for byte in mantissa.bytes() {
            if byte == b'.' {
                fraction = true;
                continue;
            }
            let leading_zero = digits.count == 0 && byte == b'0';
            exponent += i32::from(!fraction && !leading_zero) - i32::from(fraction && leading_zero);
            if !leading_zero && let Some(place) = digits.digits.get_mut(digits.count) {
                *place = byte;
                digits.count += 1;
            }
        }
        while digits.count > 0 && digits.digits[digits.count - 1] == b'0' {
            digits.count -= 1;
        }
        if digits.count == 0 {
            digits.count = 1;
            exponent = 0;
        }
        (digits, exponent)
    }

    /// Positional from 1e-4 to below 1e16, otherwise with an exponent of two digits or more.
    fn write(&self, sink: &mut impl Sink, exponent: i32, whole_ends_in: &str) {
        let text = str::from_utf8(&self.digits[..self.count]).unwrap_or_default();
        let zeros = |count: usize| &"0000000000000000"[..count];
        match exponent {
            -4..=-1 => sink.push_fmt(format_args!("0.{}{text}", zeros(exponent.unsigned_abs() as usize - 1))),
            0..16 => {
                let whole = exponent as usize + 1;
                match text.split_at_checked(whole) {
                    Some((whole, fraction)) if !fraction.is_empty() => {
                        sink.push_fmt(format_args!("{whole}.{fraction}"))
                    }
                    _ => sink.push_fmt(format_args!("{text}{}{whole_ends_in}", zeros(whole - text.len()))),
                }
            }
            _ => {
                let (first, rest) = text.split_at(1);
                let point = if rest.is_empty() { "" } else { "." };
                let sign = if exponent < 0 { '-' } else { '+' };
                sink.push_fmt(format_args!("{first}{point}{rest}e{sign}{:02}", exponent.unsigned_abs()));
            }
        }
    }
}
