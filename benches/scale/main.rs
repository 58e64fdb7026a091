//! What an organisation costs: `scale PEOPLE` prints one JSON object. See benches/scale.sh.
//!
//! Everything that is measured runs in fresh processes of this same program, so that no measurement profits from the
//! one before: `furnish`, `measure` and `warm` take the folder that `make` filled, `serve` is a target.

mod measure;
mod repository;
mod targets;

use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use measure::{Failure, Figures};
use provost::git::Source;
use serde::de::DeserializeOwned;
use serde_json::json;

/// Fresh processes of which the median counts.
const PROCESSES: usize = 3;

fn main() -> Result<(), Failure> {
    // cargo bench adds a flag of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["make", folder, people] => repository::make(&Path::new(folder).join("repository"), people.parse()?)?,
        ["furnish", folder] => furnish(Path::new(folder))?,
        ["measure", folder] => println!("{}", json!(measure::measure(Path::new(folder))?)),
        ["warm", folder] => println!("{}", json!(measure::warm(Path::new(folder))?)),
        ["serve", file] => targets::serve(Path::new(file))?,
        [people] => whole(people.parse()?)?,
        _ => return Err("usage: scale PEOPLE".into()),
    }
    Ok(())
}

fn whole(people: usize) -> Result<(), Failure> {
    if people < 1000 {
        return Err("a tenth of fewer than 1000 people shows nothing".into());
    }
    let folder = tempfile::tempdir()?;
    let (tenth, all) = (size(folder.path(), people / 10)?, size(folder.path(), people)?);
    let per_person = |small: f64, large: f64| (large - small) / (people - people / 10) as f64;
    let ratio = |value: f64, of: f64| (value / of * 1000.0).round() / 1000.0;
    let result = json!({
        "people": people,
        "cold_vs_cat_file": ratio(all.cold_s, all.cat_file_s),
        "warm_vs_cat_file": ratio(all.warm_s, all.cat_file_s),
        "commit_to_plan_ms": ratio(all.commit_to_plan_ms, 1.0),
        "commit_to_plan_vs_diff_tree": ratio(all.commit_to_plan_ms, all.diff_tree_ms),
        "noop_ms": ratio(all.noop_ms, 1.0),
        "bytes_per_person": per_person(tenth.resident_bytes, all.resident_bytes).round(),
        "growth": ratio(all.cold_s / people as f64, tenth.cold_s / (people / 10) as f64),
        "raw": all,
        "raw_tenth": tenth,
    });
    println!("{result}");
    Ok(())
}

/// Makes an organisation of one size and measures it.
fn size(folder: &Path, people: usize) -> Result<Figures, Failure> {
    let folder = folder.join(people.to_string());
    std::fs::create_dir(&folder)?;
    let place = folder.to_string_lossy();
    run(&["make", &place, &people.to_string()])?;
    run(&["furnish", &place])?;
    let figures =
        (0..PROCESSES).map(|_| answer(&["measure", &place])).collect::<Result<Vec<Figures>, _>>()?;
    let warm = (0..PROCESSES).map(|_| answer(&["warm", &place])).collect::<Result<Vec<f64>, _>>()?;
    std::fs::remove_dir_all(&folder)?;
    Ok(Figures { warm_s: middle(warm), ..medians(&figures)? })
}

/// The median of each figure.
fn medians(figures: &[Figures]) -> Result<Figures, Failure> {
    let objects = figures.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    let mut median = objects[0].clone();
    for (name, value) in median.as_object_mut().into_iter().flatten() {
        *value = json!(middle(objects.iter().filter_map(|object| object[name].as_f64()).collect()));
    }
    Ok(serde_json::from_value(median)?)
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn furnish(folder: &Path) -> Result<(), Failure> {
    let source = Source::new(&folder.join("repository").to_string_lossy(), repository::BEFORE, Path::new(""));
    let mut organisation = measure::nothing(Timestamp::now());
    measure::cold(&mut organisation, &source, None, source.resolve(repository::BEFORE)?)?;
    Ok(targets::furnish(&organisation, folder)?)
}

fn answer<T: DeserializeOwned>(arguments: &[&str]) -> Result<T, Failure> {
    Ok(serde_json::from_slice(&run(arguments)?)?)
}

fn run(arguments: &[&str]) -> Result<Vec<u8>, Failure> {
    let output = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stderr(std::process::Stdio::inherit())
        .output()?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(format!("`scale {}` failed", arguments.join(" ")).into()),
    }
}
