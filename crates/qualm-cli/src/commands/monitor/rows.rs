//! What the rows of a batch are besides features: when they are from, and of which stream.

use std::collections::HashMap;

use anyhow::{Result, bail};
use arrow_schema::Field;
use qualm_data::{Batch, time_text, times};

use crate::args::Monitor;

/// The columns of time and stream, by their places among the ids of a batch.
#[derive(Debug, Clone)]
pub(super) struct Beside {
    time: Option<(usize, String)>,
    stream: Option<(usize, String)>,
}

/// What they say of the rows of a batch, `(n,)` each.
#[derive(Debug, Default)]
pub(super) struct Told {
    times: Option<Vec<i64>>,
    streams: Option<Vec<String>>,
}

impl Beside {
    pub(super) fn new(args: &Monitor, fields: &[Field]) -> Self {
        let place = |name: &Option<String>| {
            let name = name.as_deref()?;
            let found = |name: &str| fields.iter().position(|field| field.name() == name);
            // As the columns of an input are found: with the spaces around it, or without.
            let place = found(name).or_else(|| found(name.trim()))?;
            Some((place, name.to_owned()))
        };
        Self {
            time: place(&args.time),
            stream: place(&args.stream),
        }
    }

    pub(super) fn of(&self, batch: &Batch) -> Result<Told> {
        let times = self.time.as_ref().and_then(|(place, name)| {
            let column = batch.ids.get(*place)?;
            Some(times(column, &batch.origin, name))
        });
        let streams = self
            .stream
            .as_ref()
            .map(|(place, name)| batch.texts(*place, name));
        Ok(Told {
            times: times.transpose()?,
            streams: streams.transpose()?,
        })
    }

    /// Refuses a row that is from before the one before it, of the same stream.
    pub(super) fn check_order(
        &self,
        batch: &Batch,
        row: usize,
        before: Option<i64>,
        time: Option<i64>,
    ) -> Result<()> {
        if let (Some(before), Some(time), Some((_, name))) = (before, time, &self.time)
            && time < before
        {
            bail!(
                "{}: the time goes back, from {} to {}; sort the rows by time, or write clocks that are \
                 set back in UTC",
                batch.origin.at(row).column(name),
                time_text(before),
                time_text(time)
            );
        }
        Ok(())
    }
}

impl Told {
    /// When a row is from, in microseconds since 1970.
    pub(super) fn time(&self, row: usize) -> Option<i64> {
        self.times.as_ref()?.get(row).copied()
    }

    /// The stream of a row; the only one has no name.
    pub(super) fn stream(&self, row: usize) -> &str {
        let streams = self.streams.as_deref().unwrap_or_default();
        streams.get(row).map_or("", String::as_str)
    }
}

/// The streams in the order in which they appeared, of at most a number of them.
#[derive(Debug)]
pub(super) struct Names {
    most: usize,
    order: Vec<String>,
    places: HashMap<String, usize>,
}

impl Names {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            order: Vec::new(),
            places: HashMap::new(),
        }
    }

    /// The place of a stream, and whether it is a new one.
    ///
    /// # Errors
    /// [`qualm::Error::TooManyStreams`].
    pub(super) fn place(&mut self, name: &str) -> qualm::Result<(usize, bool)> {
        if let Some(place) = self.places.get(name) {
            return Ok((*place, false));
        }
        let place = self.order.len();
        if place >= self.most {
            return Err(qualm::Error::TooManyStreams {
                name: name.to_owned(),
                most: self.most,
            });
        }
        self.order.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        Ok((place, true))
    }

    pub(super) fn name(&self, place: usize) -> &str {
        self.order.get(place).map_or("", String::as_str)
    }
}
