// Package imageprep turns the bytes of a picture into the tensor an encoder wants.
//
// Decode checks size and kind before it decodes, undoes the EXIF orientation, lays
// transparency over white and gives 8-bit RGB; Tensor scales the short side with an
// antialiased bicubic or bilinear filter, cuts the centre, normalises and orders the values
// channel by channel. It knows no model: the Rule comes from the encoder's manifest.
// It keeps no picture and starts no goroutine; callers bound how many run at once.
//
// Invariant: whatever the bytes, Decode answers a Picture or a *recsys.FieldError,
// in memory bounded by Limits; it never panics.
//
// The method is that of Pillow, because the encoders were trained and measured behind
// it: its two-pass convolution in 8-bit fixed point (libImaging/Resample.c), its alpha
// arithmetic (AlphaComposite.c), libjpeg's triangle filter for chroma (jdsample.c) and
// libwebp's colour matrix (dsp/yuv.h). Equal pixels give tensors equal to Pillow's to the
// bit, on every machine, with or without the AVX2 kernels. Where a decoder rounds
// otherwise, as image/jpeg's inverse cosine transform does, they differ by a level here
// and there; 16-bit grey, which Pillow saturates, keeps its high byte.
// Built with the tag turbojpeg, DecodeFor has libjpeg-turbo read JPEGs: equal to Pillow's where it
// need not scale them down.
package imageprep
