//! Which parts of the machine's disk workloads may see.

use std::path::{Path, PathBuf};

use crate::error::BackendError;

/// The folders below which a path may be bound into a workload. Without any, none may.
#[derive(Debug, Clone, Default)]
pub struct BindRoots(Vec<PathBuf>);

impl BindRoots {
    /// These folders.
    #[must_use]
    pub const fn new(roots: Vec<PathBuf>) -> Self {
        Self(roots)
    }

    /// The real path of `path`, links followed, if that is one of the roots or below one.
    ///
    /// # Errors
    /// [`BackendError::Refused`] if it is elsewhere, [`BackendError::Invalid`] if there is nothing.
    pub fn resolve(&self, path: &Path) -> Result<PathBuf, BackendError> {
        let real = path.canonicalize().map_err(|error| {
            BackendError::invalid(format!("`{}` cannot be bound into a workload: {error}", path.display()))
        })?;
        let roots = self.0.iter().filter_map(|root| root.canonicalize().ok());
        if roots.into_iter().any(|root| real.starts_with(root)) {
            return Ok(real);
        }
        Err(BackendError::refused(format!(
            "`{}` is not below a folder that workloads may see: the configuration of this agent names those",
            real.display()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_below_a_root_are_bound_wherever_links_lead() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("data");
        std::fs::create_dir_all(root.join("inner")).unwrap();
        std::os::unix::fs::symlink("/etc", root.join("link")).unwrap();
        let roots = BindRoots::new(vec![root.clone()]);
        assert_eq!(roots.resolve(&root.join("inner")).unwrap(), root.canonicalize().unwrap().join("inner"));
        for outside in [root.join("link"), root.join("inner/../.."), "/".into(), folder.path().join("data2")] {
            assert!(roots.resolve(&outside).is_err(), "{}", outside.display());
        }
        assert!(BindRoots::default().resolve(&root).is_err());
    }
}
