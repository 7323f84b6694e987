//! The rows of a source, batch by batch.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, UInt64Array};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType, Field};
use qualm::{Matrix, Rounding};

use super::Source;
use crate::batch::{Batch, pick_beside};
use crate::batches::{Batches, Beside, join};
use crate::column_watch::ColumnNotes;
use crate::error::Result;
use crate::labels::labels;
use crate::numbers::{self, Float};
use crate::origin::Origin;
use crate::rejects::{Reject, Rejects};
use crate::sample::ValueChunk;
use crate::select::{Inputs, Plan};
use crate::table::{Chunk, Table};
use crate::text_vectors;
use crate::vector_column::{finite, missing, vector_values};

impl Source {
    /// The features of a chunk as checked values, row after row.
    fn values<F: Float>(
        &self,
        columns: &[ArrayRef],
        n_rows: usize,
        origin: &Origin,
    ) -> Result<ScalarBuffer<F>> {
        if matches!(self.plan.inputs, Inputs::Vector(_)) {
            return vector_values(columns.first(), &self.input_names, origin);
        }
        let null = |(j, array): (usize, &ArrayRef)| Some((numbers::first_null(array)?, j));
        if let Some((row, j)) = columns.iter().enumerate().filter_map(null).min() {
            return Err(missing(origin, &self.input_names, row, j));
        }
        let numbers: Vec<_> = columns.iter().map(|c| numbers::floats(c)).collect();
        let values = match &numbers[..] {
            [only] => only.clone(),
            several => numbers::interleave(several, n_rows).into(),
        };
        finite(origin, &self.input_names, values, |row, j| {
            numbers::value_at(columns.get(j)?, row)
        })
    }

    /// The features of a chunk as a checked matrix.
    fn matrix(&self, columns: &[ArrayRef], n_rows: usize, origin: &Origin) -> Result<Matrix> {
        let n_cols = self.features.width();
        match &self.rounding {
            Some(rounding) if !rounding.is_plain() => {
                let values = self.values::<f64>(columns, n_rows, origin)?;
                Ok(Matrix::rounded([&values], n_cols, rounding))
            }
            _ => {
                let values = self.values(columns, n_rows, origin)?;
                Ok(Matrix::checked(values, n_cols))
            }
        }
    }

    /// The next chunk that holds a row, or one that was left out.
    pub(super) fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        let chunk = match self.ahead.pop_front() {
            Some(first) => Some(first),
            None => next_chunk(self.table.as_mut(), &self.plan)?,
        };
        if let Some(chunk) = &chunk {
            self.see(chunk);
        }
        Ok(chunk)
    }

    /// Lets the columns of numbers be looked at.
    fn see(&self, chunk: &Chunk) {
        let features = self.plan.by_role(&chunk.columns).features;
        match &self.plan.inputs {
            Inputs::Prepared(read) => {
                let numbers = features.iter().zip(read);
                let numbers = numbers.filter(|(_, (_, reading))| reading.is_number());
                let numbers: Vec<ArrayRef> = numbers.map(|(array, _)| Arc::clone(array)).collect();
                self.notes.see(chunk.n_rows, &numbers);
            }
            _ => self.notes.see(chunk.n_rows, features),
        }
    }

    /// The ids and labels of a chunk.
    fn beside(&self, chunk: &Chunk) -> Result<(Vec<ArrayRef>, Option<Vec<bool>>)> {
        let columns = self.plan.by_role(&chunk.columns);
        let labels = match (self.plan.label, columns.label) {
            (Some(place), Some(array)) => {
                let name = self.table.columns().get(place).map(|c| c.name.as_str());
                let positive = self.positive.as_deref();
                Some(labels(
                    array,
                    &chunk.origin,
                    name.unwrap_or_default(),
                    positive,
                )?)
            }
            _ => None,
        };
        let mut ids = columns.ids.to_vec();
        if self.row_numbers.is_some() {
            let rows = (0..chunk.n_rows).map(|row| chunk.origin.at(row).row.map(|row| row as u64));
            ids.insert(0, Arc::new(rows.collect::<UInt64Array>()));
        }
        Ok((ids, labels))
    }

    /// Some rows before they are rounded; those that are left of them.
    fn raw<F: Float>(&self, chunk: &Chunk) -> Result<ValueChunk<F>> {
        let columns = self.plan.by_role(&chunk.columns).features;
        let (mut ids, mut labels) = self.beside(chunk)?;
        let mut origin = chunk.origin.clone();
        let Some(preparer) = &self.preparer else {
            let values = self.values(columns, chunk.n_rows, &chunk.origin)?;
            return Ok(ValueChunk {
                values,
                n_rows: chunk.n_rows,
                ids,
                labels,
                origin,
            });
        };
        let prepared = preparer.prepare(columns, chunk.n_rows, &chunk.origin)?;
        self.notes.tally(prepared.tally, preparer);
        let mut n_rows = chunk.n_rows;
        if let Some(kept) = &prepared.kept {
            n_rows = kept.len();
            (ids, labels, origin) = pick_beside(&ids, labels.as_deref(), &origin, kept)?;
        }
        let values = prepared.values.into_iter().map(F::of_f64);
        Ok(ValueChunk {
            values: values.collect::<Vec<F>>().into(),
            n_rows,
            ids,
            labels,
            origin,
        })
    }

    /// Whether float32 holds every number of the features.
    pub(crate) fn fits_float32(&self) -> bool {
        let first = self.ahead.front().map(|chunk| chunk.columns.as_slice());
        let features = self.plan.by_role(first.unwrap_or_default()).features;
        let mut types = features.iter().map(Array::data_type);
        self.preparer.is_none() && types.all(numbers::fits_float32)
    }

    /// The next rows before they are rounded, with the checks of [`Batches::next_batch`]; those that
    /// are left of them, which may be none.
    pub(crate) fn next_values<F: Float>(&mut self) -> Result<Option<ValueChunk<F>>> {
        let Some(chunk) = self.next_chunk()? else {
            return Ok(None);
        };
        let values = self.raw(&chunk);
        values
            .map(Some)
            .map_err(|error| self.counted(error, &chunk))
    }

    /// A batch of the rows of a chunk; nothing where none is left.
    fn batch(&self, chunk: Chunk) -> Result<Option<Batch>> {
        if self.preparer.is_some() {
            let raw = self.raw(&chunk)?;
            return Ok((raw.n_rows > 0).then(|| self.rounded(raw)));
        }
        let columns = self.plan.by_role(&chunk.columns);
        let rows = self.matrix(columns.features, chunk.n_rows, &chunk.origin)?;
        let (ids, labels) = self.beside(&chunk)?;
        Ok(Some(Batch {
            rows,
            ids,
            labels,
            origin: chunk.origin,
        }))
    }

    fn rounded(&self, raw: ValueChunk<f64>) -> Batch {
        let plain = Rounding::default();
        let rounding = self.rounding.as_ref().unwrap_or(&plain);
        Batch {
            rows: Matrix::rounded([raw.values], self.features.width(), rounding),
            ids: raw.ids,
            labels: raw.labels,
            origin: raw.origin,
        }
    }

    /// The same without the rows that have something wrong with them: where there is one, each half is
    /// looked at by itself, down to the row.
    fn sound(
        &self,
        chunk: &Chunk,
        sound: &mut Vec<Batch>,
        rejects: &mut Vec<Reject>,
    ) -> Result<()> {
        if chunk.n_rows == 0 {
            return Ok(());
        }
        match self.batch(chunk.slice(0, chunk.n_rows)) {
            Ok(batch) => {
                sound.extend(batch);
                Ok(())
            }
            Err(error) => {
                let Some(at) = error.bad_row() else {
                    return Err(error);
                };
                if chunk.n_rows == 1 {
                    rejects.push(Reject::new(at.clone(), &error.to_string()));
                    return Ok(());
                }
                let half = chunk.n_rows / 2;
                self.sound(&chunk.slice(0, half), sound, rejects)?;
                self.sound(&chunk.slice(half, chunk.n_rows - half), sound, rejects)
            }
        }
    }

    /// The next batch of rows that have nothing wrong with them.
    fn next_sound(&mut self) -> Result<Option<Batch>> {
        while let Some(mut chunk) = self.next_chunk()? {
            let (mut sound, mut rejects) = (Vec::new(), std::mem::take(&mut chunk.rejects));
            self.sound(&chunk, &mut sound, &mut rejects)?;
            // Those that are no rows of their format come first.
            rejects.sort_by_key(|reject| reject.at.row);
            self.rejects.add(rejects);
            if let Some(batch) = Batch::join(sound)? {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

/// The next chunk that holds a row, with vectors that are written as text taken apart.
pub(super) fn next_chunk(table: &mut dyn Table, plan: &Plan) -> Result<Option<Chunk>> {
    let Some(mut chunk) = table.next_filled()? else {
        return Ok(None);
    };
    if let Inputs::Vector(place) = plan.inputs
        && let Some(vectors) = chunk.columns.first_mut()
    {
        let name = table.columns().get(place).map(|c| c.name.as_str());
        *vectors = text_vectors::read(vectors, &chunk.origin, name.unwrap_or_default())?;
    }
    Ok(Some(chunk))
}

impl Batches for Source {
    /// What the model expects, or what was found.
    fn features(&self) -> &qualm::Features {
        &self.features
    }

    /// CSV ids are text, as they stand in the file.
    fn id_fields(&self) -> Vec<Field> {
        let read = self.ahead.front().map(|chunk| chunk.columns.as_slice());
        let read = self.plan.by_role(read.unwrap_or_default()).ids;
        let places = self.plan.ids.iter().enumerate();
        let fields = places.filter_map(|(i, &place)| {
            let column = self.table.columns().get(place)?;
            // A CSV column of numbers is still text when it is an id.
            let data_type = read.get(i).map_or(&column.data_type, |ids| ids.data_type());
            Some(Field::new(&column.name, data_type.clone(), true))
        });
        let rows = self.row_numbers.as_ref();
        let rows = rows.map(|name| Field::new(name, DataType::UInt64, true));
        rows.into_iter().chain(fields).collect()
    }

    fn n_rows_hint(&self) -> Option<u64> {
        self.table.n_rows()
    }

    fn notes(&self) -> ColumnNotes {
        self.notes.clone()
    }

    fn rejects(&self) -> Rejects {
        self.rejects.clone()
    }

    /// # Errors
    /// The first value, in row order, that is missing, NaN, infinite or too large for
    /// float32, a vector of another width, text among numbers, a label that is not 0 or
    /// 1, a damaged file: all with file, row and column. In a folder, file and row are
    /// those of the part.
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        if self.skip {
            return self.next_sound();
        }
        while let Some(chunk) = self.next_chunk()? {
            let place = chunk.slice(0, chunk.n_rows);
            match self.batch(chunk) {
                Ok(Some(batch)) => return Ok(Some(batch)),
                Ok(None) => {}
                Err(error) => return Err(self.counted(error, &place)),
            }
        }
        Ok(None)
    }

    /// All rows at once. Where no rounding was asked for and float32 does not hold every number of
    /// the features' types, they are held as float64 until all are read, and rounded by the rule
    /// that is chosen for them.
    fn read_all(mut self) -> Result<Batch> {
        if self.rounding.is_some() || self.skip || self.fits_float32() {
            return join(self);
        }
        let (mut parts, mut beside) = (Vec::new(), Beside::default());
        while let Some(raw) = self.next_values::<f64>()? {
            parts.push(raw.values);
            beside.append(raw.n_rows, raw.ids, raw.labels, raw.origin);
        }
        let n_cols = self.features.width();
        let rounding = Rounding::choose(&parts, n_cols);
        beside.with(Matrix::rounded(parts, n_cols, &rounding))
    }
}
