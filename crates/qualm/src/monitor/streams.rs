//! Several streams beside one reference, each with its own sequential test.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::corrections::e_benjamini_hochberg;
use super::evidence::Guarantee;
use super::martingale::Jumper;
use super::sequential::{Progress, Sequential, SequentialSpec};
use crate::container::{Reader, Writer};
use crate::error::{Error, Result};

const FORMAT: &str = "qualm-monitor-streams";
const VERSION: u64 = 1;

/// When a stream among several raises an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Across {
    /// When it would alone: each stream has the whole guarantee for itself.
    Each,
    /// When its evidence is first believed by [`e_benjamini_hochberg`] beside that of all streams so far: at
    /// any time, of the streams whose evidence is believed a share of at most alpha is false on average. Asks
    /// for [`Guarantee::Ever`]. With one stream it is the same as [`Across::Each`].
    EBenjaminiHochberg,
}

/// A stream among several.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    name: String,
    watch: Sequential,
    /// The row at which its evidence was first believed.
    believed_at: Option<u64>,
    across: Across,
}

impl Stream {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its test. Where evidence is compared across streams, its own alarms are not those of the stream.
    #[must_use]
    pub fn watch(&self) -> &Sequential {
        &self.watch
    }

    /// Alarms so far.
    #[must_use]
    pub fn n_alarms(&self) -> u64 {
        match self.across {
            Across::Each => self.watch.n_alarms(),
            Across::EBenjaminiHochberg => u64::from(self.believed_at.is_some()),
        }
    }

    /// The rows, from 1, at which alarms were raised: the latest hundred.
    #[must_use]
    pub fn alarms(&self) -> &[u64] {
        match self.across {
            Across::Each => self.watch.alarms(),
            Across::EBenjaminiHochberg => self.believed_at.as_slice(),
        }
    }
}

/// An alarm of a stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamAlarm {
    /// The stream's place, from 0.
    pub stream: usize,
    /// Its row, from 1, at which the alarm was raised.
    pub row: u64,
    /// Its row from which the evidence has risen: see [`Sequential::rising_from`].
    pub changed_from: u64,
    /// The decimal logarithm of the evidence that raised it.
    pub log10_evidence: f64,
}

/// Several streams that are compared with one reference, row after row.
///
/// Memory: about 25 KiB for each stream, of at most a number that is chosen beforehand.
///
/// ```
/// use qualm::monitor::{Across, SequentialSpec, Streams};
///
/// let reference: Vec<f64> = (0..500).map(|i| f64::from(i * 7919 % 500)).collect();
/// let spec = SequentialSpec::default();
/// let mut streams = Streams::new(&reference, spec, Across::EBenjaminiHochberg, 10)?;
/// let (north, south) = (streams.stream("north")?, streams.stream("south")?);
/// let mut alarms = Vec::new();
/// for i in 0..200 {
///     let usual = f64::from(i * 263 % 500);
///     alarms.extend(streams.update(north, usual)?);
///     alarms.extend(streams.update(south, usual + 250.0)?);
/// }
/// assert_eq!((alarms.len(), alarms[0].stream), (1, south));
/// # Ok::<(), qualm::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Streams {
    /// What a stream begins as.
    fresh: Sequential,
    across: Across,
    most: usize,
    all: Vec<Stream>,
    places: HashMap<String, usize>,
}

/// The JSON part of the state.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    format_version: u64,
    spec: SequentialSpec,
    across: Across,
    streams: Vec<Kept>,
    /// What the caller keeps with it.
    context: Value,
}

/// What is kept of a stream besides counts and shares.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    name: String,
    progress: Progress,
    believed_at: Option<u64>,
}

impl Streams {
    /// Watches at most `most` streams beside reference scores, which are in the order in which their rows
    /// came. No stream is known yet.
    ///
    /// # Shapes
    /// `reference`: `(n,)`, higher = more anomalous.
    ///
    /// # Errors
    /// Those of [`Sequential::new`]; [`Error::OutOfRange`] for a run length with evidence compared
    /// across streams.
    ///
    /// # Seed
    /// As [`Sequential::new`]; streams break their ties by the same numbers.
    pub fn new(
        reference: &[f64],
        spec: SequentialSpec,
        across: Across,
        most: usize,
    ) -> Result<Self> {
        if let (Across::EBenjaminiHochberg, Guarantee::RunLength { rows }) =
            (across, spec.guarantee)
        {
            return Err(Error::OutOfRange {
                name: "run length",
                found: rows,
                expected: "alpha, where evidence is compared across streams",
            });
        }
        Ok(Self {
            fresh: Sequential::new(reference, spec)?,
            across,
            most,
            all: Vec::new(),
            places: HashMap::new(),
        })
    }

    /// One stream without a name, which goes on from a test of its own.
    #[must_use]
    pub fn of_one(watch: Sequential) -> Self {
        let mut streams = Self {
            fresh: watch.clone(),
            across: Across::Each,
            most: 1,
            all: Vec::new(),
            places: HashMap::new(),
        };
        streams.push(String::new(), watch, None);
        streams
    }

    /// The test of the first stream; before there is one, a test that has seen no row.
    #[must_use]
    pub fn first(&self) -> &Sequential {
        self.all.first().map_or(&self.fresh, Stream::watch)
    }

    /// The place of a stream, which is a new one if its name is.
    ///
    /// # Errors
    /// [`Error::TooManyStreams`].
    pub fn stream(&mut self, name: &str) -> Result<usize> {
        if let Some(place) = self.places.get(name) {
            return Ok(*place);
        }
        if self.all.len() >= self.most {
            return Err(Error::TooManyStreams {
                name: name.to_owned(),
                most: self.most,
            });
        }
        self.push(name.to_owned(), self.fresh.clone(), None);
        Ok(self.all.len() - 1)
    }

    fn push(&mut self, name: String, watch: Sequential, believed_at: Option<u64>) {
        self.places.insert(name.clone(), self.all.len());
        self.all.push(Stream {
            name,
            watch,
            believed_at,
            across: self.across,
        });
    }

    /// Takes the score of the next row of a stream; gives the alarms that it raised. Of evidence that is
    /// compared across streams, that of one can raise the alarm of others.
    ///
    /// # Errors
    /// [`Error::NotFinite`] naming the row of the stream, which has not counted then.
    ///
    /// # Panics
    /// For a place that [`Streams::stream`] did not give.
    pub fn update(&mut self, place: usize, score: f64) -> Result<Vec<StreamAlarm>> {
        let stream = &mut self.all[place];
        let update = stream.watch.update(&[score])?;
        if let (Across::EBenjaminiHochberg, Guarantee::Ever { alpha }) =
            (self.across, self.fresh.spec.guarantee)
        {
            // Less is never believed, whatever the other streams say.
            let enough = update.log10_evidence >= -alpha.log10();
            return Ok(if enough && stream.believed_at.is_none() {
                self.believe(alpha)
            } else {
                Vec::new()
            });
        }
        let raised = update.alarm_at.zip(update.changed_from);
        let alarm = raised.map(|(row, changed_from)| StreamAlarm {
            stream: place,
            row,
            changed_from,
            log10_evidence: update.log10_highest,
        });
        Ok(alarm.into_iter().collect())
    }

    /// The streams whose evidence is believed now and was not before.
    fn believe(&mut self, alpha: f64) -> Vec<StreamAlarm> {
        let evidence = self.all.iter().map(|s| s.watch.log10_evidence());
        let believed = e_benjamini_hochberg(&evidence.collect::<Vec<_>>(), alpha);
        let streams = self.all.iter_mut().enumerate().zip(believed);
        let new =
            streams.filter(|((_, stream), believed)| *believed && stream.believed_at.is_none());
        new.map(|((place, stream), _)| {
            let watch = &stream.watch;
            stream.believed_at = Some(watch.n_rows());
            StreamAlarm {
                stream: place,
                row: watch.n_rows(),
                changed_from: watch.rising_from(),
                log10_evidence: watch.log10_evidence(),
            }
        })
        .collect()
    }

    /// The streams so far, in the order in which they appeared.
    #[must_use]
    pub fn streams(&self) -> &[Stream] {
        &self.all
    }

    /// How they are watched.
    #[must_use]
    pub fn spec(&self) -> &SequentialSpec {
        self.fresh.spec()
    }

    /// When a stream among them raises an alarm.
    #[must_use]
    pub fn across(&self) -> Across {
        self.across
    }

    /// Scores of the reference that count.
    #[must_use]
    pub fn n_reference(&self) -> u64 {
        self.fresh.n_reference()
    }

    /// The whole state but for the reference: about 25 KiB for each stream. The same state has the same
    /// bytes.
    ///
    /// `context` is kept with it and given back by [`Streams::from_bytes`].
    ///
    /// # Errors
    /// [`Error::SerialiseMetadata`].
    pub fn to_bytes(&self, context: &Value) -> Result<Vec<u8>> {
        let mut writer = Writer::default();
        let counts = self.all.iter().flat_map(|s| s.watch.counts());
        writer.f64("counts", &counts.collect::<Vec<_>>());
        let shares = self.all.iter().flat_map(|s| &s.watch.jumper.shares);
        writer.f64("shares", &shares.copied().collect::<Vec<_>>());
        let kept = |stream: &Stream| Kept {
            name: stream.name.clone(),
            progress: stream.watch.progress.clone(),
            believed_at: stream.believed_at,
        };
        writer.into_bytes(&Header {
            format: FORMAT.to_owned(),
            format_version: VERSION,
            spec: self.spec().clone(),
            across: self.across,
            streams: self.all.iter().map(kept).collect(),
            context: context.clone(),
        })
    }

    /// What was kept with a state, without a look at the rest. `path` is what errors call it.
    ///
    /// # Errors
    /// When the bytes are damaged, of a later version or of something else.
    pub fn context_of(path: &Path, bytes: &[u8]) -> Result<Value> {
        let reader = Reader::from_bytes(path, bytes)?;
        reader.check_format(FORMAT, VERSION)?;
        Ok(reader.json::<Header>()?.context)
    }

    /// Reads a state, and what was kept with it. `path` is what errors call it; `reference` and `most` are as
    /// for [`Streams::new`].
    ///
    /// # Errors
    /// Those of [`Streams::new`]; when the bytes are damaged, of a later version, of something else or of
    /// another reference, or hold more streams.
    pub fn from_bytes(
        path: &Path,
        bytes: &[u8],
        reference: &[f64],
        most: usize,
    ) -> Result<(Self, Value)> {
        let mut reader = Reader::from_bytes(path, bytes)?;
        reader.check_format(FORMAT, VERSION)?;
        let header: Header = reader.json()?;
        let n = header.streams.len();
        let mut streams = Self::new(reference, header.spec, header.across, most)?;
        let edges = streams.fresh.ranks.edges.clone();
        let n_cells = edges.len() + 1;
        let counts = reader.f64_of("counts", n.saturating_mul(n_cells))?;
        let shares = reader.f64_of("shares", n.saturating_mul(Jumper::EXPERTS))?;
        let parts = counts.chunks(n_cells).zip(shares.chunks(Jumper::EXPERTS));
        for (kept, (counts, shares)) in header.streams.into_iter().zip(parts) {
            let (edges, parts) = (edges.clone(), [counts, shares]);
            let spec = streams.spec().clone();
            let watch = Sequential::checked(&reader, spec, edges, parts, kept.progress)?;
            if streams.places.contains_key(&kept.name)
                || watch.n_reference() != streams.n_reference()
            {
                let found = format!("'{}' twice, or of another reference", kept.name);
                return Err(reader.corrupt("streams", found, "distinct ones"));
            }
            if streams.all.len() >= most {
                return Err(Error::TooManyStreams {
                    name: kept.name,
                    most,
                });
            }
            streams.push(kept.name, watch, kept.believed_at);
        }
        Ok((streams, header.context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference() -> Vec<f64> {
        (0..2000).map(|i| f64::from(i * 7919 % 2003)).collect()
    }

    fn streams(across: Across) -> Streams {
        Streams::new(&reference(), SequentialSpec::default(), across, 3).unwrap()
    }

    /// Row i of a stream: usual up to row 300, higher from then on where it is to change.
    fn score(i: i32, changes: bool) -> f64 {
        let usual = f64::from(i * 131 % 2003);
        if changes && i >= 300 {
            usual + 900.0
        } else {
            usual
        }
    }

    #[test]
    fn each_alone_is_the_test_of_one_stream() {
        let mut several = streams(Across::Each);
        let (a, b) = (several.stream("a").unwrap(), several.stream("b").unwrap());
        assert_eq!((a, b, several.stream("a").unwrap()), (0, 1, 0));
        let mut alone = several.streams()[b].watch().clone();
        let (mut alarms, mut expected) = (Vec::new(), None);
        for i in 0..600 {
            assert!(several.update(a, score(i, false)).unwrap().is_empty());
            alarms.extend(several.update(b, score(i, true)).unwrap());
            let update = alone.update(&[score(i, true)]).unwrap();
            expected = expected.or(update.alarm_at.zip(update.changed_from));
        }
        let (row, from) = expected.unwrap();
        assert_eq!(alarms.len(), 1);
        assert_eq!(
            (alarms[0].stream, alarms[0].row, alarms[0].changed_from),
            (b, row, from)
        );
        assert_eq!(several.streams()[b].watch(), &alone);
        assert_eq!(several.streams()[b].alarms(), [row]);
        assert!(several.streams()[a].alarms().is_empty());
    }

    #[test]
    fn more_streams_need_more_evidence_and_each_alarm_comes_once() {
        let row_of = |n_quiet: usize| {
            let mut several = Streams::new(
                &reference(),
                SequentialSpec::default(),
                Across::EBenjaminiHochberg,
                100,
            );
            let several = several.as_mut().unwrap();
            let moved = several.stream("moved").unwrap();
            for i in 0..n_quiet {
                several.stream(&format!("quiet {i}")).unwrap();
            }
            let rows = (0..600).flat_map(|i| several.update(moved, score(i, true)).unwrap());
            let alarms: Vec<StreamAlarm> = rows.collect();
            assert_eq!(alarms.len(), 1);
            assert!(alarms[0].log10_evidence >= (20.0 * (n_quiet + 1) as f64).log10());
            assert!((280..=alarms[0].row).contains(&alarms[0].changed_from));
            assert_eq!(several.streams()[moved].n_alarms(), 1);
            alarms[0].row
        };
        assert!(row_of(0) < row_of(99));
    }

    #[test]
    fn a_state_goes_on_and_too_many_streams_are_refused() {
        for across in [Across::Each, Across::EBenjaminiHochberg] {
            let mut first = streams(across);
            for name in ["a", "b"] {
                let place = first.stream(name).unwrap();
                for i in 0..200 {
                    first.update(place, score(i, false)).unwrap();
                }
            }
            let context = serde_json::json!({"position": 400});
            let bytes = first.to_bytes(&context).unwrap();
            assert!(bytes.len() < 2 * 20_000, "{}", bytes.len());
            let path = Path::new("s");
            let (mut again, kept) = Streams::from_bytes(path, &bytes, &reference(), 3).unwrap();
            assert_eq!((&again, kept), (&first, context.clone()));
            assert_eq!(Streams::context_of(path, &bytes).unwrap(), context);
            for i in 200..400 {
                let found = [&mut again, &mut first].map(|s| s.update(1, score(i, true)).unwrap());
                assert_eq!(found[0], found[1]);
            }
            assert_eq!(
                again.to_bytes(&context).unwrap(),
                first.to_bytes(&context).unwrap()
            );
            let few = Streams::from_bytes(path, &bytes, &reference(), 1);
            assert!(matches!(few, Err(Error::TooManyStreams { most: 1, .. })));
            assert!(Streams::from_bytes(path, &bytes, &reference()[..1000], 3).is_err());
            first.stream("c").unwrap();
            assert!(matches!(
                first.stream("d"),
                Err(Error::TooManyStreams { name, most: 3 }) if name == "d"
            ));
            for place in (0..bytes.len()).step_by(1009) {
                let mut damaged = bytes.clone();
                damaged[place] ^= 4;
                assert!(Streams::from_bytes(path, &damaged, &reference(), 3).is_err());
            }
        }
    }

    #[test]
    fn a_run_length_has_no_evidence_to_compare() {
        let spec = SequentialSpec {
            guarantee: Guarantee::RunLength { rows: 100.0 },
            ..SequentialSpec::default()
        };
        let new = |across| Streams::new(&reference(), spec.clone(), across, 1);
        assert!(new(Across::EBenjaminiHochberg).is_err());
        assert!(new(Across::Each).is_ok());
    }
}
