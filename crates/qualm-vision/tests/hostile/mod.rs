//! Broken, misnamed and oversized images: each refused by name, with what to do.

use std::path::Path;

use qualm_vision::read::{ImageSource, OnError, ReadOptions, Resize};

use crate::files::{file, folder, images, npy, png, write_parquet};

/// The message of the error that reading ends in, with its causes, without the folder's path.
fn refused(path: &Path, options: &ReadOptions) -> String {
    let read = ImageSource::open(path, options).and_then(|mut s| s.read_all(Resize::Keep));
    let error = read.unwrap_err();
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    let folder = if path.is_dir() {
        path
    } else {
        path.parent().unwrap()
    };
    let folder = format!("{}", folder.display());
    message
        .replace(&format!("{folder}/"), "")
        .replace(&folder, ".")
}

fn plainly(path: &Path) -> String {
    refused(path, &ReadOptions::default())
}

/// A PNG whose header promises a size.
fn png_of(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png(0);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// The checksum of PNG, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & 0u32.wrapping_sub(crc & 1))
        })
    })
}

#[test]
fn broken_images_are_named() {
    let folder = folder();
    let fine = png(3);
    let truncated = file(&folder, "truncated.png", &fine[..fine.len() - 20]);
    let message = plainly(&truncated);
    assert!(
        message.starts_with("truncated.png: cannot be decoded as PNG; it may be truncated"),
        "{message}"
    );
    let text = file(&folder, "text.jpg", "not a picture at all");
    assert_eq!(
        plainly(&text),
        "text.jpg: found text, expected an image (PNG, JPEG, WebP, BMP, GIF or TIFF); convert \
         it, or leave it out"
    );
    let page = file(&folder, "page.png", "<!DOCTYPE html><html>404</html>");
    assert!(plainly(&page).contains("found an HTML page"));
    let floats = image::Rgb32FImage::from_pixel(2, 2, image::Rgb([0.5; 3]));
    let floating = folder.path().join("floats.tiff");
    floats.save(&floating).unwrap();
    assert!(plainly(&floating).contains("the pixels are floating-point numbers"));
    let zero = file(&folder, "zero.png", "");
    assert!(plainly(&zero).starts_with("zero.png: the file is empty (0 bytes)"));
    assert!(plainly(&folder.path().join("no.png")).contains("no such file"));
}

#[test]
fn image_bombs_are_refused_before_their_pixels_are_allocated() {
    let folder = folder();
    let bomb = file(&folder, "bomb.png", png_of(40_000, 40_000));
    assert_eq!(
        plainly(&bomb),
        "bomb.png: an image of 40000 x 40000 pixels, more than the limit of 178956970; reduce \
         it first"
    );
    // A header of a BMP and of a GIF that promise as much.
    let mut bmp = crate::files::encoded(0, image::ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&40_000u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&40_000u32.to_le_bytes());
    let mut gif = crate::files::encoded(0, image::ImageFormat::Gif);
    gif[6..10].copy_from_slice(&[0x40, 0x9C, 0x40, 0x9C]);
    for (name, bytes) in [("bomb.bmp", bmp), ("bomb.gif", gif)] {
        let message = plainly(&file(&folder, name, bytes));
        assert!(message.contains("40000 x 40000 pixels"), "{message}");
    }
    let small = ReadOptions {
        max_pixels: 11,
        ..ReadOptions::default()
    };
    let message = refused(&file(&folder, "small.png", png(0)), &small);
    assert!(
        message.contains("4 x 3 pixels, more than the limit of 11"),
        "{message}"
    );
}

#[test]
fn inputs_without_images_are_refused() {
    let folder = folder();
    assert_eq!(plainly(folder.path()), ".: no image found; it is empty");
    file(&folder, "a.txt", "text");
    file(&folder, "b/c.heic", "text");
    assert_eq!(
        plainly(folder.path()),
        ".: no image found; not read: 1 .heic, 1 .txt; images are .png, .jpg, .jpeg, .webp, \
         .bmp, .gif, .tif and .tiff files"
    );
    let unknown = file(&folder, "x.xyz", "text");
    assert!(plainly(&unknown).contains("cannot tell how to read images from it"));
}

#[test]
fn lists_name_the_row_that_is_wrong() {
    let folder = folder();
    file(&folder, "1.png", png(1));
    let list = |text: &str| file(&folder, "list.csv", text);
    let missing = list("path\n1.png\nno.png\n1.png\nno2.png\n");
    assert_eq!(
        plainly(&missing),
        "list.csv, row 2: no such file: no.png (and 1 more of the list); paths are relative to \
         the folder of the list"
    );
    let skipping = ReadOptions {
        on_error: OnError::Skip,
        ..ReadOptions::default()
    };
    let mut source = ImageSource::open(&missing, &skipping).unwrap();
    assert_eq!(source.read_all(Resize::Keep).unwrap().len(), 2);
    let rejects = source.rejects();
    assert_eq!(rejects[1].id, "no2.png");
    assert!(
        rejects[1].reason.contains("row 4: no such file"),
        "{rejects:?}"
    );

    let message = plainly(&list("path,label\n1.png,x\n,y\n"));
    assert!(
        message.starts_with("list.csv, row 2: the row holds no image"),
        "{message}"
    );
    let message = plainly(&list("1.png\n1.png\n"));
    assert!(message.contains("add a header line 'path'"), "{message}");
    let message = plainly(&list("a,b\n1,2\n"));
    assert!(message.contains("found 'a', 'b'"), "{message}");
    let message = plainly(&list("a,b\nx,y\n"));
    assert!(
        message.contains("no column of images or paths"),
        "{message}"
    );
    let message = plainly(&list("path,label\n1.png\n"));
    assert!(
        message.contains("row 1: found 1 field, expected 2"),
        "{message}"
    );
    assert!(plainly(&list("path\n")).contains("no image found"));
    assert!(plainly(&list("")).contains("the file is empty"));
    let options = ReadOptions {
        label: Some("kind".into()),
        ..ReadOptions::default()
    };
    let message = refused(&list("path\n1.png\n"), &options);
    assert_eq!(
        message,
        "list.csv, column 'kind': no such column; there are 'path'"
    );
}

#[test]
fn tables_name_file_and_row() {
    let folder = folder();
    let path = folder.path().join("t.parquet");
    let fine = png(1);
    let broken = &fine[..30];
    let bytes = vec![Some(&fine[..]), Some(broken), None];
    write_parquet(&path, vec![("image", images(bytes, vec![None; 3]))]);
    let message = plainly(&path);
    assert!(
        message.starts_with("t.parquet, row 2: cannot be decoded as PNG"),
        "{message}"
    );
    let skipping = ReadOptions {
        on_error: OnError::Skip,
        ..ReadOptions::default()
    };
    let mut source = ImageSource::open(&path, &skipping).unwrap();
    assert_eq!(source.read_all(Resize::Keep).unwrap().len(), 1);
    let rejects = source.rejects();
    assert_eq!(rejects[1].id, "2");
    assert!(
        rejects[1].reason.contains("row 3: the row holds no image"),
        "{rejects:?}"
    );
    let whole = std::fs::read(&path).unwrap();
    let cut = file(&folder, "cut.parquet", &whole[..whole.len() - 9]);
    assert!(plainly(&cut).contains("truncated or damaged"));
    // Where every image is broken, the first says why.
    write_parquet(
        &path,
        vec![("image", images(vec![Some(broken); 2], vec![None; 2]))],
    );
    let message = refused(&path, &skipping);
    assert!(
        message.contains("none of the 2 images could be read"),
        "{message}"
    );
}

#[test]
fn arrays_of_something_else_are_refused() {
    let folder = folder();
    let array =
        |descr: &str, shape: &[usize]| plainly(&file(&folder, "a.npy", npy(descr, false, shape)));
    let message = array("<f4", &[1, 2, 3, 3]);
    assert!(message.contains("truncated"), "{message}");
    let message = array("|i1", &[1, 2, 3, 3]);
    assert_eq!(
        message,
        "a.npy: found an array of type i8 and shape (1, 2, 3, 3), expected uint8 of shape \
         (n, height, width, 3), or grey of shape (n, height, width), none of them 0"
    );
    let message = array("|u1", &[2, 3, 8, 8]);
    assert!(message.contains("use .transpose(0, 2, 3, 1)"), "{message}");
    assert!(array("|u1", &[2, 8]).contains("shape (2, 8)"));
    assert!(array("|u1", &[2, 0, 4, 3]).contains("none of them 0"));
    assert!(plainly(&file(&folder, "a.npy", "")).contains("the file is empty"));
    let cut = npy("|u1", false, &[2, 8, 8, 3]);
    let message = plainly(&file(&folder, "cut.npy", &cut[..cut.len() - 1]));
    assert!(
        message.contains("promises 384 bytes of values, found 383"),
        "{message}"
    );
    let message = plainly(&file(&folder, "a.npz", "PK no archive"));
    assert!(message.contains("archive cannot be read"), "{message}");
}

#[test]
fn damaged_bytes_never_panic() {
    let options = ReadOptions {
        max_pixels: 1 << 16,
        ..ReadOptions::default()
    };
    let folder = folder();
    for format in [
        image::ImageFormat::Png,
        image::ImageFormat::Jpeg,
        image::ImageFormat::WebP,
        image::ImageFormat::Bmp,
        image::ImageFormat::Gif,
        image::ImageFormat::Tiff,
    ] {
        let fine = crate::files::encoded(7, format);
        let read = |bytes: &[u8]| {
            let path = file(&folder, "x.png", bytes);
            ImageSource::open(&path, &options).and_then(|mut s| s.read_all(Resize::Keep))
        };
        let whole = read(&fine).unwrap();
        assert_eq!(whole.len(), 1, "{format:?}");
        for end in 0..fine.len() {
            // What is read without the last bytes lacks no pixel.
            if let Ok(cut) = read(&fine[..end]) {
                assert_eq!(cut, whole, "{format:?} cut at {end} of {}", fine.len());
            }
        }
        for place in 0..fine.len().min(600) {
            let mut bytes = fine.clone();
            for value in [0, 0x7F, 0xFF] {
                bytes[place] = value;
                // An image or an error; the process goes on either way.
                let _ = read(&bytes);
            }
        }
    }
}
