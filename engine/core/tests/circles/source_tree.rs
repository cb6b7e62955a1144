//! Reads the source files of a crate, and finds which uses what of which.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The source files of a crate.
pub struct SourceTree {
    files: Vec<SourceFile>,
    /// Files by the path of their module.
    modules: BTreeMap<Vec<String>, usize>,
}

struct SourceFile {
    /// From the sources' folder on.
    path: String,
    module: Vec<String>,
    /// The code, without comments, texts, tests and `use` and `mod` lines.
    code: String,
    imports: Vec<Import>,
}

struct Import {
    is_public: bool,
    path: Vec<String>,
    /// The name by which the file knows it.
    name: String,
}

impl SourceTree {
    /// Reads a folder of sources. Binaries beside a library are left out.
    pub fn read(folder: &Path) -> Self {
        let mut found = Vec::new();
        collect(folder, folder, &mut found);
        Self::of(found.into_iter())
    }

    /// Builds the tree of these files, each with its path.
    pub fn of(files: impl Iterator<Item = (String, String)>) -> Self {
        let mut files: Vec<SourceFile> = files.map(|(path, text)| SourceFile::of(path, &text)).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut modules = BTreeMap::new();
        for (number, file) in files.iter().enumerate() {
            // `lib.rs` comes before `main.rs`.
            modules.entry(file.module.clone()).or_insert(number);
        }
        Self { files, modules }
    }

    pub fn path(&self, file: usize) -> &str {
        &self.files[file].path
    }

    /// Returns which file uses which other ones, each with an example.
    pub fn uses(&self) -> BTreeMap<usize, BTreeMap<usize, String>> {
        let uses_of = |number: usize| {
            let file = &self.files[number];
            let imported = file.imports.iter().filter(|import| !import.is_public || has_word(&file.code, &import.name));
            let paths = imported.map(|import| import.path.clone()).chain(paths(&file.code));
            let mut uses = BTreeMap::new();
            for path in paths.filter(|path| self.is_own(number, path)) {
                if let Some(to) = self.resolve(number, &path, 0).filter(|to| *to != number) {
                    uses.entry(to).or_insert_with(|| path.join("::"));
                }
            }
            (number, uses)
        };
        self.modules.values().map(|number| uses_of(*number)).collect()
    }

    /// True if a path may lead to a file of this crate.
    fn is_own(&self, file: usize, path: &[String]) -> bool {
        let known = self.files[file].imports.iter().any(|import| import.name == path[0]);
        ["crate", "super", "self"].contains(&path[0].as_str()) || self.child(file, &path[0]).is_some() || known
    }

    fn child(&self, file: usize, name: &str) -> Option<usize> {
        let mut module = self.files[file].module.clone();
        module.push(name.to_owned());
        self.modules.get(&module).copied()
    }

    /// Returns the file that defines what a path names, as seen from a file; `None` if another crate
    /// does.
    fn resolve(&self, file: usize, path: &[String], depth: usize) -> Option<usize> {
        let Some((first, rest)) = path.split_first().filter(|_| depth < 20) else { return Some(file) };
        let here = &self.files[file];
        let own = |name: &String| defines(&here.code, name) || here.imports.iter().any(|import| import.name == *name);
        match first.as_str() {
            "crate" => return self.resolve(self.modules[&Vec::new()], rest, depth + 1),
            "self" => return self.resolve(file, rest, depth + 1),
            // From a module within the file.
            "super" if here.has_modules() && rest.first().is_some_and(own) => {
                return self.resolve(file, rest, depth + 1);
            }
            "super" => {
                let (_, parent) = here.module.split_last()?;
                return self.resolve(*self.modules.get(parent)?, rest, depth + 1);
            }
            _ => {}
        }
        if let Some(child) = self.child(file, first) {
            return self.resolve(child, rest, depth + 1);
        }
        // What a module within the file takes from the file is imported twice.
        let mut imports: Vec<&Import> = here.imports.iter().filter(|import| import.name == *first).collect();
        imports.sort_by_key(|import| import.path[0] == "super");
        match imports.first() {
            Some(import) if import.path[0] == *first => None,
            Some(import) => {
                let own = ["crate", "super", "self"].contains(&import.path[0].as_str());
                let inside = own || self.child(file, &import.path[0]).is_some();
                let path: Vec<String> = import.path.iter().chain(rest).cloned().collect();
                inside.then(|| self.resolve(file, &path, depth + 1)).flatten()
            }
            None => Some(file),
        }
    }
}

impl SourceFile {
    fn of(path: String, text: &str) -> Self {
        let mut module: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
            module.pop();
        }
        let (code, imports) = split_imports(&without_tests(&plain(text)));
        Self { path, module, code, imports }
    }

    fn has_modules(&self) -> bool {
        self.code.split("mod ").skip(1).any(|rest| rest.trim_start_matches(is_word).starts_with(" {"))
    }
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if ["tests", "bin"].contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.push((relative, fs::read_to_string(&path).unwrap()));
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns code without comments, and with empty texts.
fn plain(text: &str) -> String {
    let (mut code, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(['/', '"', '\'']) {
        code.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with('"') {
            let hashes = code.len() - code.trim_end_matches('#').len();
            let is_raw = code.trim_end_matches('#').ends_with('r') && (hashes > 0 || !ends_with_longer_word(&code));
            let end =
                if is_raw { rest[1..].find(&format!("\"{}", "#".repeat(hashes))) } else { end_of_text(&rest[1..]) };
            code.push_str("\"\"");
            rest = end.map_or("", |end| &rest[end + 2 + if is_raw { hashes } else { 0 }..]);
        } else {
            let is_escaped = rest.starts_with("'\\");
            let length = rest.char_indices().nth(2).filter(|(_, c)| !is_escaped && *c == '\'').map(|(at, _)| at + 1);
            let length = length.or_else(|| is_escaped.then(|| rest[3..].find('\'').map(|end| end + 4)).flatten());
            // A lifetime, a division, or a character.
            rest = &rest[length.unwrap_or(1)..];
        }
    }
    code + rest
}

fn ends_with_longer_word(code: &str) -> bool {
    code.chars().rev().take_while(|c| is_word(*c)).count() > 2
}

fn end_of_text(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends.then_some(at)
    })
}

/// Removes items that only tests have.
fn without_tests(code: &str) -> String {
    let mut parts = code.split("#[cfg(test)]");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |code, part| {
        let mut depth = 0;
        let end = part.char_indices().find_map(|(at, c)| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            (depth == 0 && (c == '}' || c == ';')).then_some(at + 1)
        });
        code + end.map_or("", |end| &part[end..])
    })
}

/// Splits `use` and `mod` lines from the rest.
fn split_imports(code: &str) -> (String, Vec<Import>) {
    let (mut rest, mut imports) = (String::new(), Vec::new());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start();
        let is_public = trimmed.starts_with("pub");
        let item = trimmed.split_once(' ').filter(|_| is_public).map_or(trimmed, |(_, item)| item);
        if let Some(tree) = item.strip_prefix("use ") {
            let mut tree = tree.to_owned();
            while !tree.contains(';') {
                tree.push_str(lines.next().unwrap_or(";"));
            }
            walk(tree.split(';').next().unwrap().trim(), &[], is_public, &mut imports);
        } else if !(item.starts_with("mod ") && item.ends_with(';')) {
            rest.push_str(line);
            rest.push('\n');
        }
    }
    (rest, imports)
}

/// Adds every leaf of a tree of imports.
fn walk(tree: &str, before: &[String], is_public: bool, imports: &mut Vec<Import>) {
    if let Some(inner) = tree.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
        let (mut depth, mut start) = (0, 0);
        for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
            depth += i32::from(c == '{') - i32::from(c == '}');
            if c == ',' && depth == 0 {
                let leaf = inner[start..at].trim();
                if !leaf.is_empty() {
                    walk(leaf, before, is_public, imports);
                }
                start = at + 1;
            }
        }
        return;
    }
    let head_ends = tree.find("::").filter(|end| !tree[..*end].contains('{'));
    if let Some(end) = head_ends {
        let path = [before, &[tree[..end].to_owned()]].concat();
        return walk(tree[end + 2..].trim(), &path, is_public, imports);
    }
    let (leaf, name) = tree.split_once(" as ").map_or((tree, None), |(leaf, name)| (leaf, Some(name.to_owned())));
    let path = match leaf {
        "self" | "*" => before.to_vec(),
        leaf => [before, &[leaf.to_owned()]].concat(),
    };
    let name = name.unwrap_or_else(|| path.last().cloned().unwrap_or_default());
    imports.push(Import { is_public, path, name });
}

/// Returns all paths of two names or more.
fn paths(code: &str) -> impl Iterator<Item = Vec<String>> {
    let words = code.split(|c: char| !is_word(c) && c != ':');
    let of_names = words.filter_map(|word| {
        let path: Vec<&str> = word.trim_matches(':').split("::").collect();
        (path.len() > 1 && !word.starts_with(':') && path.iter().all(|name| !name.is_empty() && !name.contains(':')))
            .then(|| path.into_iter().map(str::to_owned).collect())
    });
    of_names.collect::<Vec<_>>().into_iter()
}

fn has_word(code: &str, name: &str) -> bool {
    code.split(|c: char| !is_word(c)).any(|word| word == name)
}

fn defines(code: &str, name: &str) -> bool {
    let kinds = ["struct", "enum", "trait", "type", "fn", "const", "static", "mod"];
    let mut words = code.split(|c: char| !is_word(c)).filter(|word| !word.is_empty()).peekable();
    while let Some(word) = words.next() {
        if kinds.contains(&word) && words.peek() == Some(&name) {
            return true;
        }
    }
    false
}
