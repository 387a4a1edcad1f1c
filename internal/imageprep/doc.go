// Package imageprep turns the bytes of a picture into the tensor an encoder wants.
//
// Decode checks size and kind before it decodes, undoes the EXIF orientation, lays
// transparency over white and gives 8-bit RGB; Tensor scales the short side with an
// antialiased bicubic filter, cuts the centre, normalises and orders the values
// channel by channel. It knows no model: the Rule comes from the encoder's manifest.
// It keeps no picture and starts no goroutine; callers bound how many run at once.
//
// Invariant: whatever the bytes, Decode answers a Picture or a *recsys.FieldError,
// in memory bounded by Limits; it never panics.
//
// The method is that of Pillow, because the encoders were trained and measured behind
// it: its two-pass convolution in 8-bit fixed point (libImaging/Resample.c), its alpha
// arithmetic (AlphaComposite.c), libjpeg's triangle filter for chroma (jdsample.c) and
// libwebp's colour matrix (dsp/yuv.h). Equal input gives tensors equal to Pillow's to
// the bit, except where a decoder's own rounding differs: image/jpeg's inverse cosine
// transform is off by at most one grey level.
package imageprep
