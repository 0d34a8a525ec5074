//! The structures of the interface for pictures whose planes may lie in several buffers. Here there
//! is always one.

use super::{Aligned, FourCc, PixFormat, Place};

/// `VIDEO_MAX_PLANES`.
const MAX_PLANES: usize = 8;

/// `v4l2_plane_pix_format`.
#[derive(Clone, Copy, Default)]
#[repr(C, packed)]
struct PlaneFormat {
    sizeimage: u32,
    bytesperline: u32,
    reserved: [u16; 6],
}

/// `v4l2_pix_format_mplane`.
#[derive(Clone, Copy, Default)]
#[repr(C, packed)]
struct PixFormatInPlanes {
    width: u32,
    height: u32,
    format: FourCc,
    field: u32,
    colorspace: u32,
    planes: [PlaneFormat; MAX_PLANES],
    num_planes: u8,
    flags: u8,
    ycbcr_enc: u8,
    quantization: u8,
    xfer_func: u8,
    reserved: [u8; 7],
}

/// `v4l2_format`, of its union the member for planes.
#[derive(Clone, Copy)]
#[repr(C)]
pub(in crate::v4l2) struct SetFormatInPlanes {
    kind: u32,
    pix: Aligned<PixFormatInPlanes>,
    rest: [u8; 200 - size_of::<PixFormatInPlanes>()],
}

impl SetFormatInPlanes {
    /// What is said in the other interface's words, with one plane.
    pub(in crate::v4l2) fn new(kind: u32, pix: &PixFormat) -> Self {
        let byte = |n: u32| u8::try_from(n).unwrap_or(0);
        let mut planes = [PlaneFormat::default(); MAX_PLANES];
        planes[0] = PlaneFormat {
            sizeimage: pix.sizeimage,
            bytesperline: pix.bytesperline,
            reserved: [0; 6],
        };
        let pix = PixFormatInPlanes {
            width: pix.width,
            height: pix.height,
            format: pix.format,
            field: pix.field,
            colorspace: pix.colorspace,
            planes,
            num_planes: 1,
            ycbcr_enc: byte(pix.ycbcr_enc),
            quantization: byte(pix.quantization),
            xfer_func: byte(pix.xfer_func),
            ..PixFormatInPlanes::default()
        };
        Self { kind, pix: Aligned(pix), rest: [0; 200 - size_of::<PixFormatInPlanes>()] }
    }

    /// The answer in the other interface's words; `None` if there are several planes.
    pub(in crate::v4l2) fn in_one_plane(&self) -> Option<PixFormat> {
        let pix = self.pix.0;
        let [plane, ..] = pix.planes;
        (pix.num_planes == 1).then(|| PixFormat {
            width: pix.width,
            height: pix.height,
            format: pix.format,
            field: pix.field,
            bytesperline: plane.bytesperline,
            sizeimage: plane.sizeimage,
            colorspace: pix.colorspace,
            ycbcr_enc: pix.ycbcr_enc.into(),
            quantization: pix.quantization.into(),
            xfer_func: pix.xfer_func.into(),
            ..PixFormat::default()
        })
    }
}

/// `v4l2_plane`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(in crate::v4l2) struct Plane {
    pub(in crate::v4l2) bytesused: u32,
    pub(in crate::v4l2) length: u32,
    pub(in crate::v4l2) place: Place,
    /// Where in the plane its content begins.
    pub(in crate::v4l2) data_offset: u32,
    pub(in crate::v4l2) reserved: [u32; 11],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v4l2::abi::NV12;
    use std::mem::offset_of;

    #[test]
    fn fields_are_where_the_kernel_has_them() {
        assert_eq!(offset_of!(SetFormatInPlanes, pix), size_of::<usize>());
        assert_eq!(size_of::<PixFormatInPlanes>(), 192);
        let at = [offset_of!(PixFormatInPlanes, planes), offset_of!(PixFormatInPlanes, num_planes)];
        assert_eq!((at, offset_of!(PixFormatInPlanes, quantization)), ([20, 180], 183));
        assert_eq!((size_of::<PlaneFormat>(), offset_of!(PlaneFormat, bytesperline)), (20, 4));
        assert_eq!((offset_of!(Plane, place), size_of::<Plane>()), (8, 56 + size_of::<usize>()));
        assert_eq!(offset_of!(Plane, data_offset), 8 + size_of::<usize>());
    }

    #[test]
    fn what_is_said_in_one_interface_is_the_same_in_the_other() {
        let pix = PixFormat {
            width: 640,
            height: 360,
            format: NV12,
            field: 1,
            bytesperline: 704,
            sizeimage: 400_000,
            colorspace: 3,
            ycbcr_enc: 2,
            quantization: 1,
            xfer_func: 4,
            ..PixFormat::default()
        };
        let mut said = SetFormatInPlanes::new(10, &pix);
        assert_eq!(format!("{:?}", said.in_one_plane().unwrap()), format!("{pix:?}"));
        said.pix.0.num_planes = 2;
        assert!(said.in_one_plane().is_none());
    }
}
