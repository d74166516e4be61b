//! `docs/reference.md`: commands, settings, HTTP and errors, from the code itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use clap::CommandFactory;
use reqwest::Method;
use saga_runtime::http::problem::{self, ProblemType};
use serde_json::{Map, Value};

use crate::pages::path;
use crate::shop::{ALL, Settings, Shop};

const INTRODUCTION: &str = "\
# Reference

Made from the code by a test: change the code, then run `UPDATE_DOCS=1 ./dev test -p saga-trials --test docs`.

[Commands](#commands) · [Settings](#settings) · [HTTP](#http) · [Errors](#errors)
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reference_says_what_the_code_says() {
    let shop = Shop::open(Settings::default()).await;
    let mut documents = BTreeMap::new();
    for name in ALL {
        let url = format!("{}/openapi.json", shop.url(name, 0));
        documents.insert(name, shop.send(Method::GET, &url, &[], None).await.body);
    }
    shop.close().await;
    let made = [INTRODUCTION.to_owned(), commands(), settings(), http(&documents), errors()].concat();
    let file = path("docs/reference.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = found.lines().zip(made.lines()).position(|(found, made)| found != made);
    assert!(found == made, "docs/reference.md differs after line {differs:?}; UPDATE_DOCS=1 writes it anew");
}

/// Text in a cell of a table.
fn cell(text: impl std::fmt::Display) -> String {
    text.to_string().replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn commands() -> String {
    let mut saga = saga::command::Arguments::command();
    saga.build();
    let mut page = String::from("\n## Commands\n\n### saga\n\nOptions of every command:\n\n");
    options(&mut page, saga.get_arguments().filter(|argument| argument.is_global_set()));
    page.push_str(
        "\nData goes to standard output, all else to standard error. Exit code 0: done; 1: failed; 2: wrong usage.\n",
    );
    leaves(&mut page, &saga);
    page.push_str("\n### idforge\n\nWhat it is for is in [ids](ids.md).\n");
    let overview = idforge_help(&[]);
    let listed = overview.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let words: Vec<&str> = listed.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(words.contains(&"generate"), "{overview}");
    for word in words.into_iter().filter(|word| *word != "help") {
        write!(page, "\n```text\n{}```\n", idforge_help(&[word])).unwrap();
    }
    page.push_str(
        "\n### pet-service, order-service, inventory-service\n\nThey have no commands, only [settings](#settings).\n",
    );
    page
}

/// Every command that does something, with its own options.
fn leaves(page: &mut String, command: &clap::Command) {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        if sub.has_subcommands() {
            leaves(page, sub);
            continue;
        }
        let usage = sub.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ");
        let name = usage.split(" [").next().unwrap().split(" <").next().unwrap().split(" --").next().unwrap();
        write!(page, "\n### {name}\n\n{}.\n\n```text\n{usage}\n", sub.get_about().unwrap()).unwrap();
        if let Some(example) = sub.get_after_help() {
            writeln!(page, "{example}").unwrap();
        }
        page.push_str("```\n");
        if name == "saga serve" {
            page.push_str("\nIts options are the [settings](#settings).\n");
            continue;
        }
        let own: Vec<&clap::Arg> = sub.get_arguments().filter(|argument| is_own(argument)).collect();
        if !own.is_empty() {
            page.push('\n');
            options(page, own.into_iter());
        }
    }
}

fn is_own(argument: &clap::Arg) -> bool {
    !argument.is_global_set() && !["help", "version"].contains(&argument.get_id().as_str())
}

fn options<'a>(page: &mut String, arguments: impl Iterator<Item = &'a clap::Arg>) {
    page.push_str("| option | meaning | default |\n|---|---|---|\n");
    for argument in arguments.filter(|argument| !["help", "version"].contains(&argument.get_id().as_str())) {
        let value = argument.get_value_names().and_then(<[_]>::first).map(|name| format!(" {name}"));
        let takes = argument.get_action().takes_values();
        let name = match argument.get_long() {
            Some(long) => format!("--{long}{}", value.filter(|_| takes).unwrap_or_default()),
            None => value.unwrap_or_default().trim().to_owned(),
        };
        let env = argument.get_env().map(|env| format!("; from `{}`", env.to_string_lossy())).unwrap_or_default();
        writeln!(page, "| `{name}` | {}{env} | {} |", help(argument), default(argument)).unwrap();
    }
}

fn help(argument: &clap::Arg) -> String {
    cell(argument.get_help().map(ToString::to_string).unwrap_or_default()).trim_end_matches('.').to_owned()
}

fn default(argument: &clap::Arg) -> String {
    let values: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    match (values.is_empty(), argument.is_required_set()) {
        (_, true) => "required".to_owned(),
        (false, false) if argument.get_action().takes_values() => format!("`{}`", values.join(",")),
        (_, false) => String::new(),
    }
}

/// As the built program prints it, in an environment that says nothing.
fn idforge_help(words: &[&str]) -> String {
    // `cargo test --workspace` builds it beside the folder that tests lie in.
    let program = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("idforge");
    let output = Command::new(program).args(words).arg("--help").env_clear().output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn settings() -> String {
    let mut serve = saga::command::Arguments::command();
    serve.build();
    let serve = serve.find_subcommand("serve").unwrap().clone();
    let processes = [
        ("pet-service", pet_service::config::Config::command()),
        ("order-service", order_service::config::Config::command()),
        ("inventory-service", inventory_service::config::Config::command()),
        ("saga", serve),
    ];
    let mut rows: Vec<(String, Vec<&str>, String)> = Vec::new();
    for (process, command) in &processes {
        for argument in command.get_arguments().filter(|argument| is_own(argument) && argument.get_env().is_some()) {
            let env = argument.get_env().unwrap().to_string_lossy().into_owned();
            let flag = argument.get_long().unwrap();
            let text = format!("`--{flag}` | {} | {} |", default(argument), help(argument));
            match rows.iter_mut().find(|(known, _, known_text)| *known == env && *known_text == text) {
                Some((_, of, _)) => of.push(process),
                None => rows.push((env, vec![process], text)),
            }
        }
    }
    let mut page = String::from("\n## Settings\n\nOf the processes, from the environment or as flags.\n\n");
    page.push_str("| variable | of | flag | default | meaning |\n|---|---|---|---|---|\n");
    for (env, of, text) in rows {
        let of = if of.len() == processes.len() { "all".to_owned() } else { of.join(", ") };
        writeln!(page, "| `{env}` | {of} | {text}").unwrap();
    }
    page.push_str(
        "\n`LISTEN` defaults to the loopback, ports 8080 (saga) to 8083 (pet, order, inventory: 8081, 8082, 8083).\n",
    );
    page
}

fn http(documents: &BTreeMap<&str, Value>) -> String {
    let paths = |name: &str| documents[name]["paths"].as_object().unwrap().clone();
    let every = paths("saga").into_iter().filter(|(path, _)| ALL.iter().all(|name| paths(name).contains_key(path)));
    let every: Map<String, Value> = every.collect();
    let mut page =
        String::from("\n## HTTP\n\nEach process describes itself at `/openapi.json`. *Token* says that it needs\n");
    page.push_str("`Authorization: Bearer <token>`, with a token of `SAGA_TOKENS_FILE`.\n\n### every process\n\n");
    operations(&mut page, &every);
    for name in ALL {
        let own: Map<String, Value> = paths(name).into_iter().filter(|(path, _)| !every.contains_key(path)).collect();
        assert!(!own.is_empty(), "{name}");
        write!(page, "\n### {name}\n\n").unwrap();
        operations(&mut page, &own);
    }
    page
}

fn operations(page: &mut String, paths: &Map<String, Value>) {
    page.push_str("| method | path | does | token | answers |\n|---|---|---|---|---|\n");
    for (path, item) in paths {
        for (method, operation) in
            item.as_object().unwrap().iter().filter(|(_, value)| value.get("responses").is_some())
        {
            let summary = cell(operation["summary"].as_str().unwrap_or_default());
            let token = if operation.get("security").is_some() { "token" } else { "" };
            let answers: Vec<&str> = operation["responses"].as_object().unwrap().keys().map(String::as_str).collect();
            let (method, summary) = (method.to_uppercase(), summary.trim_end_matches('.'));
            writeln!(page, "| {method} | `{path}` | {summary} | {token} | {} |", answers.join(" ")).unwrap();
        }
    }
}

fn errors() -> String {
    let mut page = String::from("\n## Errors\n\nProblems by RFC 9457, `application/problem+json`. `type` is\n");
    page.push_str("`urn:sagaforge:problem:` and the name; programs match on it, people read `detail`.\n");
    let groups: [(&str, &[&ProblemType]); 4] = [
        ("every process", problem::ALL),
        ("pet-service", pet_service::error::ALL),
        ("order-service", order_service::error::PROBLEMS),
        ("inventory-service", inventory_service::error::PROBLEMS),
    ];
    for (group, problems) in groups {
        write!(page, "\n### Errors of {group}\n\n| name | status | means | what to do |\n|---|---|---|---|\n").unwrap();
        for ProblemType { name, status, title, remedy } in problems {
            writeln!(page, "| `{name}` | {} | {} | {} |", status.as_u16(), cell(title), cell(remedy)).unwrap();
        }
    }
    page
}
