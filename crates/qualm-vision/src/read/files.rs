//! Image files, one after another.

use std::path::{Component, Path, PathBuf};

use qualm::Location;

use super::entry::{Entry, Raw};

/// The files of a folder or list. Their paths are all in memory, their pixels are not.
#[derive(Debug)]
pub(super) struct Files {
    all: Vec<Listed>,
    /// What the labels are called, see [`super::ImageSource::label_name`].
    label_name: Option<String>,
    /// What the ids are, see [`super::ImageSource::id_name`].
    id_name: &'static str,
    n_given: usize,
}

/// A file and what is known of it before it is opened.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) label: Option<String>,
    pub(super) path: PathBuf,
    /// Where a list names it.
    pub(super) named_at: Option<Location>,
}

impl Files {
    pub(super) fn of_list(files: Vec<Listed>, label_name: Option<String>) -> Self {
        Self {
            all: files,
            label_name,
            id_name: "path",
            n_given: 0,
        }
    }

    /// One image file.
    pub(super) fn one(path: &Path) -> Self {
        let file = Listed {
            id: path.to_string_lossy().into_owned(),
            label: None,
            path: path.to_owned(),
            named_at: None,
        };
        Self::of_list(vec![file], None)
    }

    /// Files that are called by their numbers, from 0.
    pub(super) fn numbered(paths: Vec<PathBuf>) -> Self {
        let listed = |(number, path): (usize, PathBuf)| Listed {
            id: number.to_string(),
            label: None,
            path,
            named_at: None,
        };
        Self {
            id_name: "id",
            ..Self::of_list(paths.into_iter().enumerate().map(listed).collect(), None)
        }
    }

    /// The files below a folder, with the first sub-folder as their label.
    pub(super) fn of_folder(folder: &Path, paths: Vec<PathBuf>) -> Self {
        let listed = |path: PathBuf| {
            let below = path.strip_prefix(folder).unwrap_or(&path);
            let mut names: Vec<String> = below
                .components()
                .filter(|part| matches!(part, Component::Normal(_)))
                .map(|part| part.as_os_str().to_string_lossy().into_owned())
                .collect();
            let id = names.join("/");
            let label = (names.len() > 1).then(|| names.swap_remove(0));
            Listed {
                id,
                label,
                path,
                named_at: None,
            }
        };
        let files: Vec<Listed> = paths.into_iter().map(listed).collect();
        let labelled = files.iter().any(|file| file.label.is_some());
        Self::of_list(files, labelled.then(|| "folder".to_owned()))
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Each id and its file, also of those that were given out.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Path)> {
        let files = self.all.iter();
        files.map(|file| (file.id.as_str(), file.path.as_path()))
    }

    pub(super) fn label_name(&self) -> Option<&str> {
        self.label_name.as_deref()
    }

    pub(super) fn id_name(&self) -> &'static str {
        self.id_name
    }

    pub(super) fn rewind(&mut self) {
        self.n_given = 0;
    }

    pub(super) fn next(&mut self, n: usize) -> Vec<Entry> {
        let rest = self.all.get(self.n_given..).unwrap_or_default();
        let files = rest.iter().take(n);
        self.n_given += files.len();
        files
            .map(|file| Entry {
                id: file.id.clone(),
                label: file.label.clone(),
                at: (file.named_at.clone()).unwrap_or_else(|| Location::file(&file.path)),
                raw: Raw::File(file.path.clone()),
            })
            .collect()
    }
}
