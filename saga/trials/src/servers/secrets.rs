//! Passwords, tokens and the salt: drawn once, kept in files that their owner alone can read.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::Trouble;

/// A file of named secrets, each drawn when it is first asked for.
#[derive(Debug)]
pub struct Secrets {
    path: PathBuf,
    drawn: BTreeMap<String, String>,
}

impl Secrets {
    /// Opens the file at `path`, or starts an empty one.
    ///
    /// # Errors
    /// When the file is there and cannot be read or understood.
    pub fn open(path: PathBuf) -> Result<Self, Trouble> {
        let drawn = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                Trouble::Unmet(format!("{} is damaged ({error}); remove .dev and start again", path.display()))
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(Trouble::at("reading", &path)(error)),
        };
        Ok(Self { path, drawn })
    }

    /// The secret of that name: 48 hexadecimal digits, the same at every call.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn get(&mut self, name: &str) -> Result<String, Trouble> {
        if let Some(known) = self.drawn.get(name) {
            return Ok(known.clone());
        }
        let fresh = draw()?;
        self.drawn.insert(name.to_owned(), fresh.clone());
        let text = serde_json::to_vec_pretty(&self.drawn).map_err(|error| Trouble::Unmet(error.to_string()))?;
        write_private(&self.path, &text)?;
        Ok(fresh)
    }
}

/// 24 bytes from the kernel's generator, in hexadecimal: nothing in it needs escaping in a URL or in SQL.
fn draw() -> Result<String, Trouble> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0_u8; 24];
    File::open(source).and_then(|mut file| file.read_exact(&mut bytes)).map_err(Trouble::at("reading", source))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes `text` to `path` with mode 0600, whole or not at all.
///
/// # Errors
/// When the directory cannot be written.
pub fn write_private(path: &Path, text: &[u8]) -> Result<(), Trouble> {
    let beside = path.with_extension("new");
    if beside.exists() {
        fs::remove_file(&beside).map_err(Trouble::at("removing", &beside))?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| file.write_all(text))
        .and_then(|()| fs::rename(&beside, path))
        .map_err(Trouble::at("writing", path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_drawn_once_and_readable_by_its_owner_alone() {
        let dir = std::env::temp_dir().join(format!("sagaforge-secrets-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("secrets.json");
        let first = Secrets::open(path.clone()).unwrap().get("pets_app").unwrap();
        let mut again = Secrets::open(path.clone()).unwrap();
        assert_eq!(again.get("pets_app").unwrap(), first);
        assert_ne!(again.get("pets_owner").unwrap(), first);
        assert_eq!(first.len(), 48);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_dir_all(dir).unwrap();
    }
}
