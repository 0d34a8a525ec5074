//! Every input that was ever interesting, again.

use std::{fs, path::Path};

fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    paths
        .map(|path| (path.display().to_string(), fs::read(&path).expect("a readable file")))
        .collect()
}

#[test]
fn every_corpus_is_replayed() {
    for (name, target) in targets::ALL {
        let inputs = corpus(name);
        assert!(inputs.len() > 2, "the corpus of {name} is missing");
        for (path, input) in inputs {
            if std::panic::catch_unwind(|| target(&input)).is_err() {
                panic!("{path} breaks a promise, see above");
            }
        }
    }
}

/// Inputs cut anywhere are inputs too.
#[test]
fn every_beginning_of_an_input_is_harmless() {
    for (name, target) in targets::ALL {
        for (_, input) in corpus(name).into_iter().filter(|(_, input)| input.len() < 2000) {
            (0..input.len()).step_by(input.len() / 16 + 1).for_each(|cut| target(&input[..cut]));
        }
    }
}
