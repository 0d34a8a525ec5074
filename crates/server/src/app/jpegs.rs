//! What is counted of pictures, as metrics.

use crate::{
    pictures::{Counts, Pictures},
    stream_name::parts,
    telemetry::{Collector, Kind},
};

type Family = (&'static str, Kind, &'static str, fn(&Counts) -> u64);

const FAMILIES: &[Family] = &[
    ("neverblink_pictures_decoded_total", Kind::Counter, "Frames decoded to make pictures.", |c| {
        c.decoded
    }),
    (
        "neverblink_pictures_undecodable_total",
        Kind::Counter,
        "Frames that could not be decoded.",
        |c| c.undecodable,
    ),
    (
        "neverblink_pictures_encoded_total",
        Kind::Counter,
        "JPEGs made, each for all who want its width and quality.",
        |c| c.encoded,
    ),
    ("neverblink_pictures_workers", Kind::Gauge, "Worker processes that make pictures now.", |c| {
        c.workers
    }),
    (
        "neverblink_pictures_worker_restarts_total",
        Kind::Counter,
        "Times that such a process had to be replaced.",
        |c| c.restarts,
    ),
];

/// Writes what is counted of every stream of which pictures were ever wanted.
pub(super) fn collector(pictures: Pictures) -> Collector {
    Box::new(move |out| {
        let all: Vec<_> = pictures
            .tallies()
            .into_iter()
            .map(|(stream, tally)| (stream, tally.counts()))
            .collect();
        for (name, kind, help, value) in FAMILIES {
            out.family(name, *kind, help);
            for (stream, counts) in &all {
                let (camera, rendition) = parts(stream);
                let labels =
                    [Some(("camera", camera)), rendition.map(|rendition| ("rendition", rendition))];
                out.sample(&labels.into_iter().flatten().collect::<Vec<_>>(), value(counts) as f64);
            }
        }
    })
}
