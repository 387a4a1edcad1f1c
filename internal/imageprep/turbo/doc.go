// Package turbo reads JPEGs with libjpeg-turbo (2.0 or newer, found by pkg-config); it is empty
// unless built with the tag turbojpeg. It is apart from imageprep because a package with Go
// assembly cannot have cgo too. It judges nothing: what libjpeg-turbo finds any fault with is nil,
// and limits are the caller's.
package turbo
