//! The way back: from the text that is hashed to the input. Written from Python's grammar, not from our writer.

use std::collections::BTreeMap;

use idforge::{Date, DateTime, Decimal, Fraction, Int, Offset, Time, TimeDelta, Uuid, Value};

/// All that goes into an id within one namespace.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Input {
    pub(crate) entity_type: String,
    pub(crate) salt: String,
    pub(crate) args: Vec<Value>,
    pub(crate) attrs: BTreeMap<String, Value>,
}

/// Every input that hashes this text.
///
/// Where a part begins with something that reads as a value, both ways are followed: an argument, and a key that looks like one.
pub(crate) fn decode(text: &str) -> Vec<Input> {
    let Some((entity_type, rest)) = text.split_once("|salt:") else { return Vec::new() };
    let (salt, parts) = rest.split_at(rest.find('|').unwrap_or(rest.len()));
    if entity_type.contains('|') || salt.is_empty() {
        return Vec::new();
    }
    let input = Input { entity_type: entity_type.into(), salt: salt.into(), args: Vec::new(), attrs: BTreeMap::new() };
    let mut found = Vec::new();
    follow(parts, input, &mut found);
    found
}

fn follow(parts: &str, input: Input, found: &mut Vec<Input>) {
    let Some(part) = parts.strip_prefix('|') else {
        found.extend(parts.is_empty().then_some(input));
        return;
    };
    if let Some((value, rest)) = whole_value(part)
        && input.attrs.is_empty()
    {
        let mut input = input.clone();
        input.args.push(value);
        follow(rest, input, found);
    }
    if let Some((key, value)) = part.split_once('=')
        && let Some((value, rest)) = whole_value(value)
        && !key.contains('|')
        && input.attrs.last_key_value().is_none_or(|(last, _)| last.as_str() < key)
    {
        let mut input = input;
        input.attrs.insert(key.to_owned(), value);
        follow(rest, input, found);
    }
}

/// A value that ends where its part does.
fn whole_value(part: &str) -> Option<(Value, &str)> {
    let mut reader = Reader { rest: part };
    let value = reader.value()?;
    (reader.rest.is_empty() || reader.rest.starts_with('|')).then_some((value, reader.rest))
}

/// What reads a value after the text that it begins with.
type Read = fn(&mut Reader<'_>) -> Option<Value>;

/// Reads Python literals from the front of a text.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn take(&mut self, expected: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }

    fn while_in(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(|character| !wanted(character)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken.to_owned()
    }

    fn value(&mut self) -> Option<Value> {
        const CALLS: [(&str, Read); 15] = [
            ("None", |_| Some(Value::None)),
            ("True", |_| Some(Value::Bool(true))),
            ("False", |_| Some(Value::Bool(false))),
            ("[", |reader| reader.items("]").map(Value::List)),
            ("{", |reader| reader.braces()),
            ("frozenset({", |reader| reader.items("})").map(Value::FrozenSet)),
            ("bytearray(b", |reader| {
                Some(Value::ByteArray(bytes(&reader.quoted()?)?)).filter(|_| reader.take(")").is_some())
            }),
            ("b", |reader| Some(Value::Bytes(bytes(&reader.quoted()?)?))),
            ("UUID(", |reader| Uuid::try_parse(&reader.quoted_call()?).ok().map(Value::Uuid)),
            ("Decimal(", |reader| Decimal::parse(&reader.quoted_call()?).ok().map(Value::Decimal)),
            ("Fraction(", |reader| {
                let [over, under] = reader.integers(")")?;
                Some(Value::Fraction(Fraction::new(over, under).ok()?))
            }),
            ("datetime.date(", |reader| reader.integers(")").and_then(date).map(Value::Date)),
            ("datetime.timedelta(", |reader| reader.timedelta().map(Value::TimeDelta)),
            ("datetime.", |reader| reader.clock()),
            ("<", |reader| reader.member()),
        ];
        for (name, read) in CALLS {
            if self.take(name).is_some() {
                return read(self);
            }
        }
        match self.rest.chars().next()? {
            '\'' | '"' => self.quoted().map(Value::Text),
            '(' => self.parenthesis(),
            _ => self.number(),
        }
    }

    /// A quoted text with its escapes undone.
    fn quoted(&mut self) -> Option<String> {
        let quote = self.next().filter(|quote| "'\"".contains(*quote))?;
        let mut text = String::new();
        loop {
            match self.next()? {
                end if end == quote => return Some(text),
                '\\' => text.push(self.escape()?),
                plain => text.push(plain),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let digits = match self.next()? {
            't' => return Some('\t'),
            'n' => return Some('\n'),
            'r' => return Some('\r'),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            literal => return Some(literal),
        };
        let (code, rest) = self.rest.split_at_checked(digits)?;
        self.rest = rest;
        char::from_u32(u32::from_str_radix(code, 16).ok()?)
    }

    fn quoted_call(&mut self) -> Option<String> {
        let text = self.quoted()?;
        self.take(")").map(|()| text)
    }

    /// Values up to a closing text, with `, ` between them.
    fn items(&mut self, close: &str) -> Option<Vec<Value>> {
        let mut items = Vec::new();
        while self.take(close).is_none() {
            if !items.is_empty() {
                self.take(", ")?;
            }
            items.push(self.value()?);
        }
        Some(items)
    }

    /// A tuple or a complex number with a real part.
    fn parenthesis(&mut self) -> Option<Value> {
        let start = self.rest;
        self.take("(")?;
        if let Some(number) = self.complex() {
            return Some(number);
        }
        self.rest = &start[1..];
        if self.take(")").is_some() {
            return Some(Value::Tuple(Vec::new()));
        }
        let first = self.value()?;
        if self.take(",)").is_some() {
            return Some(Value::Tuple(vec![first]));
        }
        self.take(", ")?;
        let mut items = vec![first];
        items.extend(self.items(")")?);
        (items.len() > 1).then_some(Value::Tuple(items))
    }

    fn complex(&mut self) -> Option<Value> {
        let real = self.component()?;
        self.rest.starts_with(['+', '-']).then_some(())?;
        let _ = self.take("+");
        let imaginary = self.component()?;
        self.take("j)").map(|()| Value::Complex(real, imaginary))
    }

    /// A float as `repr` and complex numbers write it.
    fn component(&mut self) -> Option<f64> {
        self.numeral().parse().ok()
    }

    fn numeral(&mut self) -> String {
        let mut text = if self.take("-").is_some() { "-".to_owned() } else { String::new() };
        for word in ["nan", "inf"] {
            if self.take(word).is_some() {
                return text + word;
            }
        }
        text += &self.while_in(|character| character.is_ascii_digit() || character == '.');
        if self.take("e").is_some() {
            text.push('e');
            text.extend(self.next().filter(|sign| "+-".contains(*sign)));
            text += &self.while_in(|character| character.is_ascii_digit());
        }
        text
    }

    fn number(&mut self) -> Option<Value> {
        let text = self.numeral();
        if self.take("j").is_some() {
            return Some(Value::Complex(0.0, text.parse().ok()?));
        }
        if text.contains(['.', 'e', 'n']) {
            return text.parse().ok().map(Value::Float);
        }
        Int::parse(&text).ok().map(Value::Int)
    }

    fn braces(&mut self) -> Option<Value> {
        if self.take("}").is_some() {
            return Some(Value::Map(Vec::new()));
        }
        let first = self.value()?;
        if self.take("}").is_some() {
            return Some(Value::Set(vec![first]));
        }
        self.take(": ")?;
        let mut entries = vec![(first, self.value()?)];
        while self.take("}").is_none() {
            self.take(", ")?;
            let key = self.value()?;
            self.take(": ")?;
            entries.push((key, self.value()?));
        }
        Some(Value::Map(entries))
    }

    fn member(&mut self) -> Option<Value> {
        let class = self.while_in(|character| character.is_alphanumeric() || character == '_');
        self.take(".")?;
        let name = self.while_in(|character| character.is_alphanumeric() || character == '_');
        self.take(": ")?;
        let value = Box::new(self.value()?);
        self.take(">").map(|()| Value::Enum { class, name, value })
    }

    fn integer(&mut self) -> Option<i128> {
        self.while_in(|character| character.is_ascii_digit() || character == '-').parse().ok()
    }

    fn integers<const N: usize>(&mut self, close: &str) -> Option<[i128; N]> {
        let mut numbers = vec![self.integer()?];
        while self.take(", ").is_some() {
            numbers.push(self.integer()?);
        }
        self.take(close)?;
        numbers.try_into().ok()
    }

    fn timedelta(&mut self) -> Option<TimeDelta> {
        if self.take("0)").is_some() {
            return TimeDelta::new(0, 0, 0).ok();
        }
        let mut fields = [0; 3];
        for (name, field) in ["days=", "seconds=", "microseconds="].into_iter().zip(&mut fields) {
            if self.take(name).is_some() {
                *field = self.integer()?;
                let _ = self.take(", ");
            }
        }
        self.take(")")?;
        TimeDelta::new(fields[0].try_into().ok()?, fields[1].try_into().ok()?, fields[2].try_into().ok()?).ok()
    }

    /// A time or a datetime after `datetime.`.
    fn clock(&mut self) -> Option<Value> {
        let dated = self.take("datetime(").is_some();
        if !dated {
            self.take("time(")?;
        }
        let mut numbers = Vec::new();
        while self.rest.starts_with(|character: char| character.is_ascii_digit()) {
            numbers.push(self.integer()?);
            let _ = self.take(", ");
        }
        let (date, clock) = numbers.split_at_checked(if dated { 3 } else { 0 })?;
        let at = |place: usize| clock.get(place).copied().unwrap_or_default();
        let small = |place: usize| u8::try_from(at(place)).ok();
        let mut time = Time::new(small(0)?, small(1)?, small(2)?, u32::try_from(at(3)).ok()?).ok()?;
        while self.take(")").is_none() {
            if self.take("fold=1").is_some() {
                time = time.folded();
            } else {
                self.take("tzinfo=datetime.timezone")?;
                time = time.at(if self.take(".utc").is_some() { Offset::UTC } else { self.offset()? });
            }
            let _ = self.take(", ");
        }
        let Ok(date) = <[i128; 3]>::try_from(date) else { return Some(Value::Time(time)) };
        Some(Value::DateTime(DateTime { date: self::date(date)?, time }))
    }

    fn offset(&mut self) -> Option<Offset> {
        self.take("(datetime.timedelta(")?;
        let distance = self.timedelta()?;
        self.take(")")?;
        Offset::new(distance).ok()
    }
}

fn date([year, month, day]: [i128; 3]) -> Option<Date> {
    Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}
