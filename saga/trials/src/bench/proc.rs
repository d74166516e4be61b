//! What the kernel says of processes: processor time and memory.

use std::fs;
use std::time::Duration;

/// One tick of processor time; the kernel shows all times in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// Processor time of the process with that number, and of its children that have ended.
pub(super) fn cpu(pid: u32) -> Duration {
    cpu_in(&stat(pid))
}

/// Processor time of a process and of all below it.
pub(super) fn cpu_of_tree(pid: u32) -> Duration {
    tree(pid).into_iter().map(cpu).sum()
}

/// Processor time of the children of a process that have ended, and of those with that title that have not.
pub(super) fn cpu_of_children(pid: u32, title: &str) -> Duration {
    let titled =
        |child: &u32| fs::read(format!("/proc/{child}/cmdline")).is_ok_and(|line| line.starts_with(title.as_bytes()));
    cpu_of_ended_in(&stat(pid)) + children(pid).into_iter().filter(titled).map(cpu).sum::<Duration>()
}

/// Processor time of the whole machine, the kernel's own included.
pub(super) fn cpu_of_machine() -> Duration {
    fs::read_to_string("/proc/stat").map_or(Duration::ZERO, |stat| cpu_in_machine(&stat))
}

/// Memory of a process and of all below it in KiB, what is shared counted once (PSS).
pub(super) fn memory_of_tree(pid: u32) -> u64 {
    tree(pid).into_iter().map(memory).sum()
}

/// Empty when it is gone.
fn stat(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default()
}

fn memory(pid: u32) -> u64 {
    fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).map_or(0, |rollup| pss_in(&rollup))
}

/// The process and all below it.
fn tree(pid: u32) -> Vec<u32> {
    let mut tree = vec![pid];
    let mut next = 0;
    while let Some(&parent) = tree.get(next) {
        tree.extend(children(parent));
        next += 1;
    }
    tree
}

/// Each thread lists those that it started.
fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()).collect()
}

/// In user and kernel mode, its own and its ended children's.
fn cpu_in(stat: &str) -> Duration {
    ticks(behind_the_name(stat).skip(11).take(4))
}

/// In user and kernel mode, its ended children's alone.
fn cpu_of_ended_in(stat: &str) -> Duration {
    ticks(behind_the_name(stat).skip(13).take(2))
}

/// The name may hold spaces and brackets.
fn behind_the_name(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit_once(") ").map(|(_, rest)| rest).unwrap_or_default().split(' ')
}

/// All but idle, waiting, and what was stolen from us: user, nice, system, interrupts.
fn cpu_in_machine(stat: &str) -> Duration {
    let fields: Vec<&str> = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).collect();
    ticks([0, 1, 2, 5, 6].into_iter().filter_map(|n| fields.get(n).copied()))
}

fn ticks<'a>(fields: impl Iterator<Item = &'a str>) -> Duration {
    TICK * fields.filter_map(|field| field.parse::<u32>().ok()).sum::<u32>()
}

fn pss_in(rollup: &str) -> u64 {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_memory_are_read_as_the_kernel_writes_them() {
        let stat = "77 (a) b) S 1 77 77 0 -1 4194560 3 0 0 0 5 6 7 8 20 0 2 0 1234 0 0";
        assert_eq!(cpu_in(stat), Duration::from_millis(260));
        assert_eq!(cpu_of_ended_in(stat), Duration::from_millis(150));
        assert_eq!(cpu_in_machine("cpu  1 2 3 400 50 6 7 80 0 0\ncpu0 1"), Duration::from_millis(190));
        assert_eq!(pss_in("00400000-7fff rollup\nRss:  900 kB\nPss:  812 kB\nPss_Dirty: 4 kB"), 812);
    }

    #[test]
    fn we_ourselves_have_memory_and_are_in_our_tree() {
        assert!(memory_of_tree(std::process::id()) > 0);
        assert_eq!(tree(std::process::id())[0], std::process::id());
    }
}
