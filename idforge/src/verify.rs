//! Vectors: ids that uuid-forge made, checked against ours.
//!
//! Ids are forged leniently, since the vectors show all that the package takes.

use std::borrow::Cow;

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::json::{members, parse};
use crate::request::Request;
use crate::{Defaults, Error, Forge, Namespace, PYTHON_VERSION, Salt, config, prefixed, security};

/// What a vectors file showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many cases agree.
    pub passed: usize,
    /// The cases that do not, each with what was wanted and what came.
    pub failures: Vec<String>,
    /// How many cases have nothing to forge: calls written in Python.
    pub skipped: usize,
}

/// Checks a vectors file: its `cases`, `generate`, `extract`, `pairs`, `env_cases` and `generate_salt_text_length`.
///
/// # Errors
/// [`Error::Json`] when the text is no object with such lists.
pub fn run(text: &str) -> Result<Report, Error> {
    let mut report = Report::default();
    for (name, raw) in members(text)? {
        let check = match &*name {
            "cases" => check_case,
            "generate" => check_prefixed,
            "extract" => check_extract,
            "pairs" => check_pair,
            "env_cases" => check_environment,
            "generate_salt_text_length" => check_salt_length,
            _ => continue,
        };
        for (at, case) in parse::<Vec<&RawValue>>(raw.get())?.into_iter().enumerate() {
            report.add(&name, at, case, check);
        }
    }
    Ok(report)
}

impl Report {
    fn add(&mut self, list: &str, at: usize, case: &RawValue, check: fn(&Case<'_>) -> Result<(), String>) {
        let outcome = Case::parse(case).map(|case| {
            let name = case.text("id").map_or_else(|_| format!("{list}[{at}]"), Cow::into_owned);
            (!case.has("call")).then(|| check(&case).map_err(|difference| format!("{name}: {difference}")))
        });
        match outcome {
            Ok(None) => self.skipped += 1,
            Ok(Some(Ok(()))) => self.passed += 1,
            Ok(Some(Err(difference))) | Err(difference) => self.failures.push(difference),
        }
    }
}

/// A case's members, unread.
struct Case<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Case<'a> {
    fn parse(raw: &'a RawValue) -> Result<Self, String> {
        Ok(Case { members: members(raw.get()).map_err(said)? })
    }

    fn raw(&self, name: &str) -> Result<&'a RawValue, String> {
        let member = self.members.iter().find(|(key, _)| key == name);
        member.map(|(_, raw)| *raw).ok_or_else(|| format!("has no {name:?}"))
    }

    fn has(&self, name: &str) -> bool {
        self.raw(name).is_ok()
    }

    fn text(&self, name: &str) -> Result<Cow<'a, str>, String> {
        self.read::<String>(name).map(Cow::Owned)
    }

    fn read<T: serde::Deserialize<'a>>(&self, name: &str) -> Result<T, String> {
        parse(self.raw(name)?.get()).map_err(|error| format!("{name:?}: {error}"))
    }

    fn case(&self, name: &str) -> Result<Case<'a>, String> {
        Case::parse(self.raw(name)?)
    }

    fn request(&self) -> Request<'a> {
        Request::of(&self.members)
    }
}

fn check_case(case: &Case<'_>) -> Result<(), String> {
    let expected = match case.has("expect_by_python") {
        true => case.case("expect_by_python")?.text(PYTHON_VERSION)?,
        false => case.text("expect")?,
    };
    let request = case.request();
    let forge = lenient(&request)?;
    if case.has("message") {
        let hashed = request.build(&forge, |id| id.hashed_text()).map_err(said)?;
        same("hashed text", &*case.text("message")?, &*hashed)?;
    }
    same("id", &*expected, &*request.build(&forge, |id| id.finish()).map_err(said)?.to_string())
}

fn check_prefixed(case: &Case<'_>) -> Result<(), String> {
    let (expected, id): (_, Uuid) = (case.text("expect")?, case.read("uuid")?);
    let request = case.request();
    let forge = lenient(&request)?;
    same("id", &*expected, &*request.answer(&forge).map_err(said)?)?;
    let found = prefixed::extract_lenient(&expected, &case.text("separator")?);
    same("round trip", &(case.text("round_trip")? == "ok"), &(found == Ok(id)))
}

fn check_extract(case: &Case<'_>) -> Result<(), String> {
    let found = prefixed::extract_lenient(&case.text("input")?, &case.text("separator")?);
    match found {
        Ok(id) => same("id", &*case.text("expect")?, &*id.to_string()),
        Err(_) if case.has("error") => Ok(()),
        Err(error) => Err(said(error)),
    }
}

fn check_pair(case: &Case<'_>) -> Result<(), String> {
    let (a, b) = (case.case("a")?, case.case("b")?);
    check_case(&a)?;
    check_case(&b)?;
    same("same_uuid", &case.read::<bool>("same_uuid")?, &(a.text("expect")? == b.text("expect")?))
}

fn check_environment(case: &Case<'_>) -> Result<(), String> {
    let environment = case.case("env")?;
    let variable = |name: &str| environment.read::<Option<String>>(name);
    let namespace = config::namespace(variable(config::NAMESPACE_VARIABLE)?.as_deref());
    let salt = variable(config::SALT_VARIABLE)?;
    same("namespace", &case.read::<Uuid>("namespace_uuid")?, &namespace.uuid())?;
    same("salt", &*case.text("salt")?, salt.as_deref().unwrap_or_default())?;
    check_security(&case.case("validate")?, &namespace, salt.as_deref(), false)?;
    check_security(&case.case("validate_strict")?, &namespace, salt.as_deref(), true)?;
    let forge = Forge::lenient(namespace, salt.as_deref().unwrap_or_default());
    let id = forge.id("user").attr("email", "alice@example.com").finish().map_err(said)?;
    same("id_of_user_email", &case.read::<Uuid>("id_of_user_email")?, &id)
}

fn check_security(expected: &Case<'_>, namespace: &Namespace, salt: Option<&str>, strict: bool) -> Result<(), String> {
    let findings = security::check(namespace, salt.unwrap_or_default());
    let messages: Vec<String> = findings.iter().map(ToString::to_string).collect();
    same("messages", &expected.read::<Vec<String>>("messages")?, &messages)?;
    same("valid", &expected.read::<bool>("valid")?, &security::passes(&findings, strict))
}

fn check_salt_length(case: &Case<'_>) -> Result<(), String> {
    let salt = Salt::from_random_bytes(&vec![0x5a; case.read("bytes")?]).map_err(said)?;
    same("length", &case.read::<usize>("chars")?, &salt.reveal().len())
}

fn lenient(request: &Request<'_>) -> Result<Forge, String> {
    let defaults = Defaults { namespace: Namespace::DNS, salt: None, lenient: true };
    request.forge(&defaults).map_err(said)
}

fn same<T: PartialEq + std::fmt::Debug + ?Sized>(what: &str, wanted: &T, got: &T) -> Result<(), String> {
    if wanted == got { Ok(()) } else { Err(format!("{what}: wanted {wanted:?}, got {got:?}")) }
}

fn said(error: Error) -> String {
    error.to_string()
}
