//! Every kind of input: which images come, in which order, with which ids and labels.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, StringArray};
use image::ImageFormat;
use qualm_vision::read::{ImageSource, Item, OnError, ReadOptions, Resize, image_id};
use qualm_vision::{Image, Result};

use crate::files::{encoded, file, folder, images, npy, png, write_parquet};

fn all(path: &Path, options: &ReadOptions) -> Result<Vec<Item>> {
    let mut source = ImageSource::open(path, options)?;
    let mut items = Vec::new();
    while let Some(batch) = source.next_batch(2)? {
        assert!((1..=2).contains(&batch.len()));
        items.extend(batch);
    }
    Ok(items)
}

fn plain(path: &Path) -> Vec<Item> {
    all(path, &ReadOptions::default()).unwrap()
}

/// Ids, labels and first values, which are the numbers of the pictures.
fn seen(items: &[Item]) -> Vec<(&str, Option<&str>, u8)> {
    let seen = items.iter();
    seen.map(|i| (i.id.as_str(), i.label.as_deref(), i.image.pixel(0, 0)[0]))
        .collect()
}

fn ids(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| item.id.as_str()).collect()
}

#[test]
fn a_folder_is_read_in_the_order_of_its_paths() {
    let folder = folder();
    file(&folder, "dog/b.PNG", png(3));
    file(&folder, "cat/deep/a.jpeg", png(2));
    file(&folder, "cat/a.gif", encoded(1, ImageFormat::Gif));
    file(&folder, "top.bmp", encoded(4, ImageFormat::Bmp));
    let others = [
        "notes.txt",
        "cat/list.TXT",
        "cat/.hidden.png",
        ".git/x.png",
        "README",
    ];
    for name in others {
        file(&folder, name, "text");
    }
    let items = plain(folder.path());
    let expected = [
        ("cat/a.gif", Some("cat"), 1),
        // Decoded by content: a PNG with the name of a JPEG.
        ("cat/deep/a.jpeg", Some("cat"), 2),
        ("dog/b.PNG", Some("dog"), 3),
        ("top.bmp", None, 4),
    ];
    assert_eq!(seen(&items), expected);
    let source = ImageSource::open(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!(source.n_images_hint(), 4);
    assert_eq!(source.id_name(), "path");
    assert_eq!(source.label_name(), Some("folder"));
    let skipped = source.skipped().to_string();
    assert_eq!(skipped, "2 hidden, 1 without extension, 2 .txt");
}

#[cfg(unix)]
#[test]
fn a_link_to_a_folder_above_is_not_followed() {
    let folder = folder();
    file(&folder, "a/x.png", png(1));
    std::os::unix::fs::symlink(folder.path(), folder.path().join("a/up")).unwrap();
    let source = ImageSource::open(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!(source.n_images_hint(), 1);
    assert_eq!(source.skipped().to_string(), "1 linked to a folder above");
}

#[test]
fn lists_name_files_beside_them() {
    let folder = folder();
    for n in 1..=2 {
        file(&folder, &format!("images/{n}.png"), png(n));
    }
    let expected = [("images/2.png", Some("7"), 2), ("images/1.png", None, 1)];
    for (name, text) in [
        ("a.csv", "n,path,label\n1,images/2.png,7\n2,images/1.png,\n"),
        (
            "b.csv",
            "label,filename,other\n7,images/2.png,x\n,images/1.png,y\n",
        ),
        (
            "c.csv",
            "n,where,label\n1,images/2.png,7\n2,images/1.png,\n",
        ),
        ("d.tsv", "image\tlabel\nimages/2.png\t7\nimages/1.png\t\n"),
    ] {
        let list = file(&folder, name, text);
        assert_eq!(seen(&plain(&list)), expected, "{name}");
    }
    let list = folder.path().join("e.parquet");
    let paths: ArrayRef = Arc::new(StringArray::from(vec!["images/2.png", "images/1.png"]));
    let labels: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None]));
    write_parquet(&list, vec![("file", paths), ("class", labels)]);
    let options = ReadOptions {
        label: Some("class".into()),
        ..ReadOptions::default()
    };
    assert_eq!(seen(&all(&list, &options).unwrap()), expected);
}

#[test]
fn tables_of_images_are_read_in_parts() {
    let folder = folder();
    let pictures: Vec<Vec<u8>> = (0..5).map(png).collect();
    let bytes = |from: usize, to: usize| {
        let pictures = pictures[from..to].iter();
        pictures.map(|b| Some(&b[..])).collect::<Vec<_>>()
    };
    let part = |name: &str, images: ArrayRef, labels: Vec<&str>| {
        let labels: ArrayRef = Arc::new(StringArray::from(labels));
        let path = folder.path().join(name);
        write_parquet(&path, vec![("label", labels), ("image", images)]);
        path
    };
    let paths = vec![Some("a.png"), Some("b.png"), Some("c.png")];
    let first = part("0.parquet", images(bytes(0, 3), paths), vec!["x", "y", "x"]);
    // The same path again: the images are told apart by their numbers.
    let paths = vec![Some("d.png"), Some("a.png")];
    part("1.parquet", images(bytes(3, 5), paths), vec!["y", "z"]);
    let items = plain(&first);
    let expected = [
        ("a.png", Some("x"), 0),
        ("b.png", Some("y"), 1),
        ("c.png", Some("x"), 2),
    ];
    assert_eq!(seen(&items), expected);
    let mut source = ImageSource::open(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!((source.n_images_hint(), source.id_name()), (5, "id"));
    let items = source.read_all(Resize::Keep).unwrap();
    assert_eq!(seen(&items)[4], ("4", Some("z"), 4));
    source.rewind().unwrap();
    assert_eq!(source.read_all(Resize::Keep).unwrap(), items);
}

#[test]
fn bytes_that_are_missing_stand_in_the_file_that_the_path_names() {
    let folder = folder();
    file(&folder, "beside.png", png(9));
    let path = folder.path().join("t.parquet");
    let picture = png(1);
    let paths = vec![Some("1.png"), Some("beside.png")];
    let column = images(vec![Some(&picture), None], paths);
    write_parquet(&path, vec![("picture", column)]);
    let items = plain(&path);
    assert_eq!(seen(&items), [("1.png", None, 1), ("beside.png", None, 9)]);
}

#[test]
fn arrays_are_read_in_either_order() {
    let folder = folder();
    let path = file(&folder, "c.npy", npy("|u1", false, &[3, 2, 4, 3]));
    let items = plain(&path);
    assert_eq!(ids(&items), ["0", "1", "2"]);
    assert_eq!(items[1].image.pixel(1, 0), [27, 28, 29]);
    let grey = file(&folder, "grey.npy", npy("|u1", false, &[3, 2, 4]));
    assert_eq!(plain(&grey)[2].image.pixel(3, 1), [23; 3]);
    // The first index runs fastest.
    let fortran = file(&folder, "f.npy", npy("|u1", true, &[3, 2, 4, 3]));
    let at = |n: u8, y: u8, x: u8, c: u8| n + 3 * (y + 2 * (x + 4 * c));
    for (n, item) in (0..).zip(&plain(&fortran)) {
        for (y, x) in [(0, 0), (1, 0), (0, 3), (1, 2)] {
            let expected = [0, 1, 2].map(|c| at(n, y, x, c));
            assert_eq!(item.image.pixel(x.into(), y.into()), expected);
        }
    }
}

#[test]
fn archives_hold_images_and_labels() {
    let folder = folder();
    let write = |name: &str, method| {
        let path = folder.path().join(name);
        let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        for (name, bytes) in [
            ("label.npy", npy("|u1", false, &[3, 1])),
            ("images.npy", npy("|u1", false, &[3, 2, 4, 3])),
        ] {
            zip.start_file(name, options).unwrap();
            std::io::Write::write_all(&mut zip, &bytes).unwrap();
        }
        zip.finish().unwrap();
        path
    };
    let stored = plain(&write("stored.npz", zip::CompressionMethod::Stored));
    assert_eq!(seen(&stored)[2], ("2", Some("2"), 48));
    let deflated = plain(&write("deflated.npz", zip::CompressionMethod::Deflated));
    assert_eq!(deflated, stored);
}

#[test]
fn large_images_come_in_smaller_batches() {
    let folder = folder();
    // 24 MB each: twelve fill a batch of 256 MiB.
    let path = file(
        &folder,
        "large.npy",
        npy("|u1", false, &[14, 2000, 4000, 3]),
    );
    let mut source = ImageSource::open(&path, &ReadOptions::default()).unwrap();
    let sizes = std::iter::from_fn(|| source.next_batch(100).unwrap().map(|b| b.len()));
    assert_eq!(sizes.sum::<usize>(), 14);
    source.rewind().unwrap();
    let first = source.next_batch(100).unwrap().unwrap();
    assert_eq!(first.len(), 12, "the size is known now");
}

#[test]
fn broken_images_are_skipped_and_kept_by_name() {
    let folder = folder();
    file(&folder, "a.png", png(1));
    file(&folder, "b.png", &png(2)[..40]);
    file(&folder, "c.png", "");
    file(&folder, "d.png", png(4));
    let options = ReadOptions {
        on_error: OnError::Skip,
        ..ReadOptions::default()
    };
    let mut source = ImageSource::open(folder.path(), &options).unwrap();
    let items = source.read_all(Resize::Keep).unwrap();
    assert_eq!(ids(&items), ["a.png", "d.png"]);
    let [b, c] = source.rejects() else {
        panic!("{:?}", source.rejects());
    };
    assert_eq!((b.id.as_str(), c.id.as_str()), ("b.png", "c.png"));
    assert!(c.reason.contains("0 bytes"), "{}", c.reason);
    source.rewind().unwrap();
    assert!(source.rejects().is_empty());
}

#[test]
fn images_are_resized_to_a_shorter_side() {
    let picture = || Image::new(40, 20, vec![200; 2400]).unwrap();
    let size = |resize: Resize| {
        let image = resize.image(picture()).unwrap();
        assert!(image.pixels().iter().all(|&v| v == 200));
        (image.width(), image.height())
    };
    assert_eq!(size(Resize::Keep), (40, 20));
    assert_eq!(size(Resize::Shorter(10)), (20, 10));
    assert_eq!(size(Resize::Shorter(30)), (40, 20), "never enlarged");
    assert!(Resize::Shorter(0).image(picture()).is_err());
    // Each new pixel is a mean over those that it covers: stripes become grey.
    let stripes = (0..800).flat_map(|i| [255 * (i % 2) as u8; 3]);
    let image = Image::new(40, 20, stripes.collect()).unwrap();
    let grey = Resize::Shorter(5).image(image).unwrap();
    assert!(grey.pixels().iter().all(|v| v.abs_diff(127) < 12));
}

#[test]
fn the_number_of_an_image_depends_on_its_name_alone() {
    // The first eight bytes of SHA-256, the lowest first.
    assert_eq!(image_id("a.png"), 0x58bf_5f80_3512_077f);
    assert_ne!(image_id("a.png"), image_id("b.png"));
}
