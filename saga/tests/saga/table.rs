//! The table of the order saga against the topology, and against the page that shows it.

use std::collections::BTreeSet;
use std::path::Path;

use idforge::Salt;
use saga::order_saga::order_saga;
use saga_contract::{DEFAULT_DOMAIN, TOPOLOGY, queues};
use saga_core::{Definition, Ids, MessageType, Start, mermaid};

fn definition() -> Definition {
    let salt = Salt::new("a salt for tests alone").unwrap();
    order_saga(&Ids::new(&salt, DEFAULT_DOMAIN), 50_000).unwrap()
}

fn message_type(name: &str) -> &'static MessageType {
    TOPOLOGY.message_type(name).unwrap_or_else(|| panic!("{name} is not in the topology"))
}

fn takers(name: &str) -> BTreeSet<&'static str> {
    TOPOLOGY.takers(message_type(name)).map(|queue| queue.name).collect()
}

#[test]
fn the_orchestrators_queue_takes_exactly_what_the_table_reads() {
    let arriving: BTreeSet<&str> =
        TOPOLOGY.types.iter().map(|kind| kind.name).filter(|name| takers(name).contains(queues::SAGA_INBOX)).collect();
    assert_eq!(arriving, definition().takes());
}

#[test]
fn every_command_of_the_table_is_routed_to_its_queue_and_to_no_other() {
    let definition = definition();
    let (mut commands, mut undos) = (0, 0);
    for step in definition.steps {
        if let Start::Command { kind, queue, .. } = step.start {
            assert_eq!(takers(kind), BTreeSet::from([queue]), "{kind} of {}", step.name);
            assert!(message_type(kind).must_be_taken, "{kind}");
            commands += 1;
        }
        if let Some(undo) = step.undo {
            assert_eq!(takers(undo.kind), BTreeSet::from([undo.queue]), "{} of {}", undo.kind, step.name);
            assert!(message_type(undo.kind).must_be_taken, "{}", undo.kind);
            undos += 1;
        }
    }
    assert_eq!((commands, undos), (2, 3));
}

#[test]
fn the_event_that_starts_a_step_reaches_the_queue_that_it_is_resent_to() {
    let definition = definition();
    let mut started = 0;
    for step in definition.steps {
        if let Start::Event { of, queue } = step.start {
            let event = definition.step(of).unwrap().done;
            assert!(takers(event).contains(queue), "{event} does not reach {queue}, which {} waits for", step.name);
            started += 1;
        }
    }
    assert_eq!(started, 4);
}

#[test]
fn every_answer_is_made_by_the_process_that_was_asked() {
    let definition = definition();
    for step in definition.steps {
        let Some(queue) = step.queue() else { continue };
        let asked = TOPOLOGY.queues.iter().find(|known| known.name == queue).unwrap().consumer;
        let undone = step.undo.map_or(&[][..], |undo| undo.undone);
        for answer in [Some(step.done), step.refused].into_iter().flatten().chain(undone.iter().copied()) {
            assert_eq!(message_type(answer).source, asked, "{answer} of {}", step.name);
        }
    }
}

#[test]
fn the_page_shows_the_diagram_that_the_code_draws() {
    const MARKS: [&str; 2] = ["<!-- diagram:start -->\n", "<!-- diagram:end -->"];
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/order-saga.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(MARKS[0]).expect("the page marks where the diagram starts");
    let (found, after) = rest.split_once(MARKS[1]).expect("the page marks where the diagram ends");
    let drawn = format!("```mermaid\n{}\n```\n", mermaid(&definition()).trim_end());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, [before, MARKS[0], &drawn, MARKS[1], after].concat()).unwrap();
        return assert!(drawn.contains("flowchart"));
    }
    assert_eq!(found, drawn, "docs/order-saga.md; UPDATE_DOCS=1 writes the diagram anew");
}
