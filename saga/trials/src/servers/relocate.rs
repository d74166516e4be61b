//! Makes unpacked programs run from where they are.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Trouble;

/// Makes the programs unpacked below `root` work wherever `root` is or is moved to.
///
/// Erlang's start script learns where it is. When the packages brought a C library of their own (those of another
/// release than the machine's), each program is put behind a script that runs it on that library.
///
/// # Errors
/// When a file cannot be read or written.
pub fn make_movable(root: &Path) -> Result<(), Trouble> {
    let erl = root.join("usr/lib/erlang/bin/erl");
    if erl.is_file() {
        let script = fs::read_to_string(&erl).map_err(Trouble::at("reading", &erl))?;
        let here = "ROOTDIR=$(readlink -f \"$(dirname \"$0\")/..\")";
        let script = script.replace("ROOTDIR=/usr/lib/erlang", here);
        fs::write(&erl, script).map_err(Trouble::at("writing", &erl))?;
    }
    let Some(loader) = loader(root) else { return Ok(()) };
    for directory in ["usr/lib/erlang", "usr/lib/postgresql"] {
        for program in programs(&root.join(directory)) {
            wrap(root, &program, &loader)?;
        }
    }
    Ok(())
}

/// The directories of libraries below `root` that programs of the machine's own release have to be told of; none
/// when they run on a loader of their own.
#[must_use]
pub fn libraries(root: &Path) -> Vec<PathBuf> {
    if root == Path::new("/") || loader(root).is_some() { Vec::new() } else { library_dirs(root) }
}

fn library_dirs(root: &Path) -> Vec<PathBuf> {
    let uppers = [root.join("usr/lib"), root.join("lib")];
    let inner = uppers.iter().flat_map(|dir| entries(dir));
    inner.filter(|path| path.is_dir() && path.to_string_lossy().contains("-linux-gnu")).collect()
}

/// The dynamic loader that the packages brought, if they brought one.
fn loader(root: &Path) -> Option<PathBuf> {
    let dirs = ["usr/lib64", "usr/lib", "lib64", "lib"].map(|dir| root.join(dir));
    let mut files = dirs.iter().flat_map(|dir| entries(dir));
    files.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld-linux-")))
}

/// Every program (not script, not library) below `dir`.
fn programs(dir: &Path) -> Vec<PathBuf> {
    let (dirs, files): (Vec<_>, Vec<_>) =
        entries(dir).into_iter().filter(|path| !path.is_symlink()).partition(|path| path.is_dir());
    let mut found: Vec<PathBuf> = files.into_iter().filter(|path| is_program(path)).collect();
    found.extend(dirs.iter().flat_map(|dir| programs(dir)));
    found
}

fn is_program(path: &Path) -> bool {
    let executable = fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o100 != 0);
    let library = path.file_name().is_some_and(|name| name.to_string_lossy().contains(".so"));
    executable && !library && starts_with(path, b"\x7fELF")
}

fn starts_with(path: &Path, magic: &[u8; 4]) -> bool {
    let mut first = [0_u8; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut first)).is_ok() && &first == magic
}

/// Moves the program aside and puts a script in its place that runs it on `loader` and the libraries beside it.
fn wrap(root: &Path, program: &Path, loader: &Path) -> Result<(), Trouble> {
    let real = program.with_extension("program");
    fs::rename(program, &real).map_err(Trouble::at("naming", &real))?;
    let up = program.strip_prefix(root).unwrap_or(program).components().count();
    let below = |path: &Path| format!("$top/{}", path.strip_prefix(root).unwrap_or(path).display());
    let libraries: Vec<String> = library_dirs(root).iter().map(|dir| below(dir)).collect();
    let script = format!(
        "#!/bin/sh\ntop=$(readlink -f \"$0\")\nfor _ in {steps}; do top=${{top%/*}}; done\n\
         exec \"{loader}\" --argv0 \"$0\" --library-path \"{libraries}\" \"{real}\" \"$@\"\n",
        steps = (0..up).map(|n| n.to_string()).collect::<Vec<_>>().join(" "),
        loader = below(loader),
        libraries = libraries.join(":"),
        real = below(&real),
    );
    fs::write(program, script)
        .and_then(|()| fs::set_permissions(program, fs::Permissions::from_mode(0o755)))
        .map_err(Trouble::at("writing", program))
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(dir).map(|entries| entries.filter_map(|entry| entry.ok().map(|entry| entry.path())));
    let mut paths: Vec<PathBuf> = found.map(Iterator::collect).unwrap_or_default();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::process::Command;
    use std::time::Duration;

    use saga_runtime::testing::eventually;

    use super::super::process::copy_program;
    use super::*;

    /// A program of this machine, unpacked somewhere else together with its loader and libraries.
    #[tokio::test]
    async fn a_program_with_a_loader_of_its_own_runs_after_a_move() {
        let top = std::env::temp_dir().join(format!("sagaforge-relocate-{}", std::process::id()));
        let (before, after) = (top.join("before"), top.join("after"));
        let libraries = before.join("usr/lib/x86_64-linux-gnu");
        let program = before.join("usr/lib/postgresql/17/bin/true");
        for dir in [libraries.as_path(), &before.join("usr/lib64"), program.parent().unwrap()] {
            fs::create_dir_all(dir).unwrap();
        }
        let machine = loader(Path::new("/")).unwrap();
        copy_program(&machine, &before.join("usr/lib64").join(machine.file_name().unwrap()));
        let libc = library_dirs(Path::new("/")).into_iter().map(|dir| dir.join("libc.so.6")).find(|path| path.exists());
        fs::copy(libc.unwrap(), libraries.join("libc.so.6")).unwrap();
        copy_program(Path::new("/bin/true"), &program);

        make_movable(&before).unwrap();
        fs::rename(&before, &after).unwrap();
        let moved = after.join("usr/lib/postgresql/17/bin/true");
        assert!(fs::read_to_string(&moved).unwrap().starts_with("#!/bin/sh"), "a script stands before the program");
        // What another test started while the script was written holds it open for a moment.
        let ran = eventually("the script can be run", Duration::from_secs(20), async || {
            let ran = Command::new(&moved).status();
            (!ran.as_ref().is_err_and(|error| error.kind() == ErrorKind::ExecutableFileBusy)).then_some(ran)
        });
        assert!(ran.await.unwrap().success());
        assert!(super::libraries(&after).is_empty(), "its own loader knows its libraries");
        fs::remove_dir_all(top).unwrap();
    }
}
