//! The corpus of the fuzz targets, on the stable toolchain, and each of its files with bytes flipped and cut off.

mod parsers;

use std::path::Path;

type Target = fn(&[u8]);

#[test]
fn no_file_of_the_corpus_nor_any_near_it_is_misread() {
    let targets: [(&str, Target); 4] = [
        ("commit", parsers::commit),
        ("pack", parsers::pack),
        ("signers", parsers::signers),
        ("signed", parsers::signed),
    ];
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, target) in targets {
        let files: Vec<_> = std::fs::read_dir(corpus.join(name)).unwrap().collect();
        assert!(files.len() >= 2, "{name} has too few");
        for file in files {
            let data = std::fs::read(file.unwrap().path()).unwrap();
            target(&data);
            for place in 0..data.len() {
                let mut altered = data.clone();
                altered[place] ^= 1 << (place % 8);
                target(&altered);
                target(&data[..place]);
            }
        }
    }
}
