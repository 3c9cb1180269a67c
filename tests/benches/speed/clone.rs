//! How fast `understudy clone` is beside a client that only posts the same bytes, and beside kubectl: whole processes that
//! take turns, each into a preview of its own, as a developer.
//!
//! Everybody makes the namespace and waits to be let in; the clone besides reads its golden and plans. What was to be made
//! is looked for in every preview afterwards: anything missing fails the bench.

mod counter;
mod golden;
mod poster;
mod stage;
mod ways;

use anyhow::Result;

pub use poster::{order, post};

use crate::figures::Figures;
use counter::Counter;
use stage::{Golden, Stage};
use ways::{Ran, Way};

/// How often a golden of so many objects is cloned.
struct Size {
    objects: usize,
    rounds: usize,
    /// In how many of the rounds kubectl takes part: it sends one object after the other.
    with_kubectl: usize,
}

const SIZES: [Size; 4] = [
    Size {
        objects: 10,
        rounds: 9,
        with_kubectl: 9,
    },
    Size {
        objects: 100,
        rounds: 9,
        with_kubectl: 5,
    },
    Size {
        objects: 1000,
        rounds: 5,
        with_kubectl: 2,
    },
    Size {
        objects: 5000,
        rounds: 3,
        with_kubectl: 1,
    },
];

/// Who took how long in one round.
type Round = Vec<(Way, Ran)>;

/// Measures and prints. `UNDERSTUDY_BENCH_OBJECTS=10,100` measures some of the sizes.
pub async fn measure() -> Result<()> {
    let asked = std::env::var("UNDERSTUDY_BENCH_OBJECTS").ok();
    let is_asked = |size: &Size| {
        let size = size.objects.to_string();
        asked
            .as_ref()
            .is_none_or(|asked| asked.split(',').any(|one| one == size))
    };
    let mut stage = Stage::open().await?;
    let counter = Counter::start(&stage.bed).await?;
    println!("\n# A clone beside a client that posts the same bytes, and beside kubectl\n");
    println!(
        "| objects | who | s | s of applying | objects/s of applying | rate beside POST | the same of applying |"
    );
    println!("|--:|---|---|---|--:|---|---|");
    let (mut courses, mut counts) = (Vec::new(), Vec::new());
    for size in SIZES.iter().filter(|size| is_asked(size)) {
        let golden = stage.golden(size.objects).await?;
        if counts.is_empty() {
            warm(&mut stage, &golden, &counter).await?;
        }
        counts.extend(requests(&mut stage, &golden, size, &counter).await?);
        let mut rounds = Vec::new();
        for number in 0..size.rounds {
            rounds.push(round(&mut stage, &golden, size, number).await?);
        }
        for way in Way::ALL {
            row(size.objects, way, &rounds);
        }
        courses.push(course(size.objects, &rounds));
        stage.clear().await?;
    }
    println!("\nRequests, counted in another round:\n");
    println!(
        "| objects | who | requests | an object | by method |\n|--:|---|--:|--:|---|\n{}",
        counts.join("\n")
    );
    println!("\n{}", courses.join("\n"));
    Ok(())
}

/// Everybody once, directly and by way of the counter: kubectl asks what a server serves, and keeps the answer.
async fn warm(stage: &mut Stage, golden: &Golden, counter: &Counter) -> Result<()> {
    for way in Way::ALL {
        stage.run(golden, way, None).await?;
        stage.run(golden, way, Some(counter)).await?;
    }
    Ok(())
}

/// Everybody once, each beginning another time.
async fn round(stage: &mut Stage, golden: &Golden, size: &Size, number: usize) -> Result<Round> {
    let ways = Way::ALL
        .into_iter()
        .filter(|way| number < size.with_kubectl || !way.is_kubectl());
    let mut ways: Vec<Way> = ways.collect();
    let first = number % ways.len();
    ways.rotate_left(first);
    let mut round = Vec::new();
    for way in ways {
        round.push((way, stage.run(golden, way, None).await?));
    }
    Ok(round)
}

/// Rows of requests.
async fn requests(stage: &mut Stage, golden: &Golden, size: &Size, counter: &Counter) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    for way in Way::ALL
        .into_iter()
        .filter(|way| size.with_kubectl > 1 || !way.is_kubectl())
    {
        counter.take();
        stage.run(golden, way, Some(counter)).await?;
        let counts = counter.take();
        let sum: usize = counts.values().sum();
        let methods: Vec<String> = counts
            .iter()
            .map(|(method, count)| format!("{count} {method}"))
            .collect();
        let (objects, each) = (size.objects, sum as f64 / size.objects as f64);
        rows.push(format!(
            "| {objects} | {} | {sum} | {each:.2} | {} |",
            way.name(),
            methods.join(", ")
        ));
    }
    Ok(rows)
}

/// One row: `way` in all the rounds it took part in, and how much faster or slower than posting in each.
fn row(objects: usize, way: Way, rounds: &[Round]) {
    let mut all: [Figures; 5] = Default::default();
    for round in rounds {
        let of = |way: Way| round.iter().find(|(who, _)| *who == way).map(|(_, ran)| ran);
        let (Some(ours), Some(post)) = (of(way), of(Way::Post)) else {
            continue;
        };
        let (whole, applying) = (ours.whole.as_secs_f64(), ours.applying.as_secs_f64());
        let figures = [
            whole,
            applying,
            objects as f64 / applying,
            post.whole.as_secs_f64() / whole,
            post.applying.as_secs_f64() / applying,
        ];
        for (all, figure) in all.iter_mut().zip(figures) {
            all.push(figure);
        }
    }
    let [whole, applying, rate, beside, beside_applying] = all;
    println!(
        "| {objects} | {} | {whole:.2} | {applying:.2} | {:.0} | {beside} | {beside_applying} |",
        way.name(),
        rate.median()
    );
}

/// Where the time of a clone goes: when each of its steps was done, in milliseconds from its start.
fn course(objects: usize, rounds: &[Round]) -> String {
    let ours = || {
        rounds
            .iter()
            .flatten()
            .filter(|(way, _)| *way == Way::Clone)
            .map(|(_, ran)| ran)
    };
    let steps = ways::STEPS.iter().enumerate().map(|(which, (step, _))| {
        let mut at = Figures::default();
        ours().for_each(|ran| at.took(ran.steps[which]));
        format!("{step} {at:.0}")
    });
    let mut end = Figures::default();
    ours().for_each(|ran| end.took(ran.whole));
    let steps: Vec<String> = steps.collect();
    format!(
        "- a clone of {objects}, ms from its start: {}, ended {end:.0}",
        steps.join(", ")
    )
}
