//! An id asked for as a JSON object: a line of `idforge batch`, a case of a vectors file.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::config::SALT_VARIABLE;
use crate::json::{from_raw, members, parse};
use crate::{Arg, Error, Forge, IdBuilder, Namespace, Salt, Scalar};

/// What ids are forged with where the request itself does not say.
#[derive(Clone)]
pub struct Defaults {
    /// The namespace.
    pub namespace: Namespace,
    /// The salt's text; none refuses requests without their own, unless lenient.
    pub salt: Option<String>,
    /// Whether to take all that uuid-forge takes.
    pub lenient: bool,
}

impl Defaults {
    /// The forge for a request that names another namespace or salt, or neither.
    ///
    /// # Errors
    /// [`Error::MissingSalt`] and, unless lenient, what [`Salt::new`] refuses.
    pub fn forge(&self, namespace: Option<Namespace>, salt: Option<&str>) -> Result<Forge, Error> {
        let namespace = namespace.unwrap_or_else(|| self.namespace.clone());
        match salt.or(self.salt.as_deref()) {
            salt if self.lenient => Ok(Forge::lenient(namespace, salt.unwrap_or_default())),
            Some(salt) => Ok(Forge::new(namespace, &Salt::new(salt)?)),
            None => Err(Error::MissingSalt(SALT_VARIABLE)),
        }
    }
}

impl fmt::Debug for Defaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let salt = if self.salt.is_some() { "redacted" } else { "none" };
        f.debug_struct("Defaults")
            .field("namespace", &self.namespace)
            .field("salt", &salt)
            .field("lenient", &self.lenient)
            .finish()
    }
}

/// The parts of a request, unread.
#[derive(Default)]
pub(crate) struct Request<'a> {
    pub(crate) namespace: Option<&'a RawValue>,
    pub(crate) salt: Option<&'a RawValue>,
    entity_type: Option<&'a RawValue>,
    args: Option<&'a RawValue>,
    kwargs: Option<&'a RawValue>,
    prefix: Option<&'a RawValue>,
    separator: Option<&'a RawValue>,
}

/// What a case of a vectors file says beside the request.
const ABOUT_A_CASE: [&str; 7] = ["id", "group", "message", "expect", "expect_by_python", "uuid", "round_trip"];

impl<'a> Request<'a> {
    /// Takes a JSON object apart.
    ///
    /// A member with another name is an error, since a misspelt `kwargs` would be a different id.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Error> {
        let mut request = Request::default();
        for (name, raw) in members(text)? {
            match request.place(&name) {
                Some(place) if place.is_none() => *place = Some(raw),
                Some(_) => return Err(Error::Json(format!("member {name:?} is given twice"))),
                None if ABOUT_A_CASE.contains(&&*name) => {}
                None => return Err(Error::Json(format!("unknown member {name:?}"))),
            }
        }
        Ok(request)
    }

    /// What a case of a vectors file asks for, whatever else it says.
    pub(crate) fn of(case: &[(Cow<'_, str>, &'a RawValue)]) -> Self {
        let mut request = Request::default();
        for (name, raw) in case {
            if let Some(place) = request.place(name) {
                *place = Some(raw);
            }
        }
        request
    }

    fn place(&mut self, name: &str) -> Option<&mut Option<&'a RawValue>> {
        match name {
            "namespace" => Some(&mut self.namespace),
            "salt" => Some(&mut self.salt),
            "entity_type" => Some(&mut self.entity_type),
            "args" => Some(&mut self.args),
            "kwargs" => Some(&mut self.kwargs),
            "prefix" => Some(&mut self.prefix),
            "separator" => Some(&mut self.separator),
            _ => None,
        }
    }

    /// The forge for the namespace and the salt that are named.
    pub(crate) fn forge(&self, defaults: &Defaults) -> Result<Forge, Error> {
        let namespace = self.namespace.map(|raw| read_namespace(raw.get())).transpose()?.flatten();
        let salt = self.salt.map(|raw| text(raw, "salt")).transpose()?.flatten();
        defaults.forge(namespace, salt.as_deref())
    }

    /// Hands the id, put together but not yet made, to `finish`.
    pub(crate) fn build<T>(
        &self,
        forge: &Forge,
        finish: impl FnOnce(IdBuilder<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let entity_type = self.entity_type.map(|raw| text(raw, "entity_type")).transpose()?.flatten();
        let entity_type = entity_type.ok_or_else(|| Error::Json("\"entity_type\" is missing".to_owned()))?;
        let args: Vec<&RawValue> =
            self.args.map_or(Ok(Vec::new()), |raw| parse(raw.get()).map_err(wants("args", "an array")))?;
        let kwargs =
            self.kwargs.map_or(Ok(Vec::new()), |raw| members(raw.get()).map_err(wants("kwargs", "an object")))?;
        let mut id = forge.id(&entity_type);
        for raw in args {
            id = id.arg(arg(raw)?);
        }
        for (key, raw) in &kwargs {
            id = id.attr(key, arg(raw)?);
        }
        finish(id)
    }

    /// Makes the id, behind its prefix if it has one.
    pub(crate) fn answer(&self, forge: &Forge) -> Result<String, Error> {
        let prefix =
            self.prefix.map(|raw| text(raw, "prefix")).transpose()?.flatten().filter(|prefix| !prefix.is_empty());
        let separator = self.separator.map(|raw| text(raw, "separator")).transpose()?.flatten();
        self.build(forge, |id| match prefix {
            Some(prefix) => id.finish_prefixed(&prefix, separator.as_deref().unwrap_or("-")),
            None => id.finish().map(|id| id.to_string()),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
}

fn read_namespace(text: &str) -> Result<Option<Namespace>, Error> {
    let wants = wants("namespace", "{\"kind\": \"domain\" or \"uuid\", \"value\": \"..\"}");
    match parse::<Option<Named<'_>>>(text) {
        Ok(None) => Ok(None),
        Ok(Some(Named { kind, value })) if kind == "domain" => Ok(Some(Namespace::from_domain(&value))),
        Ok(Some(Named { kind, value })) if kind == "uuid" => Namespace::parse_uuid(&value).map(Some),
        Ok(Some(Named { kind, .. })) => Err(wants(Error::Json(format!("unknown kind {kind:?}")))),
        Err(error) => Err(wants(error)),
    }
}

/// Says of which member an error is, and what the member should be.
fn wants(name: &str, what: &str) -> impl Fn(Error) -> Error {
    move |error| Error::Json(format!("{name:?} must be {what} ({error})"))
}

/// The string that a member is; none for null.
fn text<'a>(raw: &'a RawValue, name: &str) -> Result<Option<Cow<'a, str>>, Error> {
    match raw.get() {
        "null" => Ok(None),
        quoted if quoted.starts_with('"') => match unescaped(quoted) {
            Some(text) => Ok(Some(text.into())),
            None => parse::<String>(quoted).map(|text| Some(text.into())),
        },
        _ => Err(Error::Json(format!("{name:?} must be a string"))),
    }
}

/// A string's content where it stands as it is. The scanner has seen to it that nothing in it is forbidden.
fn unescaped(quoted: &str) -> Option<&str> {
    let content = quoted.strip_prefix('"')?.strip_suffix('"')?;
    (!content.contains('\\')).then_some(content)
}

/// An argument, borrowed where that is possible.
fn arg(raw: &RawValue) -> Result<Arg<'_>, Error> {
    let text = raw.get();
    if let Some(content) = unescaped(text) {
        return Ok(content.into());
    }
    match text.parse::<i64>() {
        Ok(number) => Ok(Arg::Scalar(Scalar::Int(number.into()))),
        Err(_) => from_raw(raw, 0).map(Arg::from),
    }
}
