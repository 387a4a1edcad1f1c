package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-473295a7/vitrine/internal/imageprep"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
)

// Encoder is the encoder of the live space.
func (e *Engine) Encoder() Encoder { return e.state.Load().encoder }

// Encoders lists the encoders of this process, by name.
func (e *Engine) Encoders() ([]EncoderInfo, error) {
	live := e.Encoder()
	known := map[string]EncoderInfo{live.Name(): {Name: live.Name(), Dims: live.Dims(), Live: true}}
	if name := e.encoder.Name(); name != live.Name() {
		known[name] = EncoderInfo{Name: name, Dims: e.encoder.Dims()}
	}
	if e.encoders != nil {
		listed, err := e.encoders.ListEncoders()
		if err != nil {
			return nil, fmt.Errorf("list encoders: %w", err)
		}
		for _, info := range listed {
			if _, ok := known[info.Name]; !ok {
				known[info.Name] = info
			}
		}
	}
	return slices.SortedFunc(maps.Values(known), func(a, b EncoderInfo) int { return strings.Compare(a.Name, b.Name) }), nil
}

// encoderFor opens an encoder by name@version or name; empty: that of the live space.
func (e *Engine) encoderFor(ctx context.Context, name string) (Encoder, error) {
	if s := e.state.Load(); s != nil && (name == "" || name == s.encoder.Name()) {
		return s.encoder, nil
	}
	if name == e.encoder.Name() {
		return e.encoder, nil
	}
	if e.encoders == nil {
		return nil, fmt.Errorf("encoder %q: %w", name, recsys.ErrNotFound)
	}
	return e.encoders.OpenEncoder(ctx, name)
}

// EncodePictures encodes the pictures that an encoder has not seen, by name as in FitOrder. Any
// number of processes may do so together; each returns when nothing is left.
func (e *Engine) EncodePictures(ctx context.Context, encoder string, rate float64, progress Progress) error {
	opened, err := e.encoderFor(ctx, encoder)
	if err != nil {
		return err
	}
	return e.encodeAll(ctx, opened, rate, progress)
}

// encodeBatch is how many pictures one worker takes at a time: few enough that they are done in
// a second or two, for as long as a picture's row is locked.
const encodeBatch = 16

// encodeAll encodes all pictures that an encoder has not seen; other processes that do the same
// share the work, and this returns when nothing is left that can be encoded. A picture that
// cannot be is passed over: its item is embedded from what else it has. rate bounds the pictures a
// second; 0: no bound.
func (e *Engine) encodeAll(ctx context.Context, encoder Encoder, rate float64, progress Progress) error {
	lacking, _, err := e.store.CountImages(ctx, encoder.Name())
	if err != nil || lacking == 0 {
		return err
	}
	total := lacking
	unfit := make(map[string]bool) // digests
	for lacking > len(unfit) {
		progress("encode pictures", total-lacking, total)
		done, err := e.encodePass(ctx, encoder, rate, unfit, func(done int) {
			progress("encode pictures", min(total, total-lacking+done), total)
		})
		if err != nil {
			return err
		}
		if lacking, _, err = e.store.CountImages(ctx, encoder.Name()); err != nil {
			return err
		}
		if total = max(total, lacking); done == 0 && lacking > len(unfit) { // others are at it
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
	progress("encode pictures", total, total)
	return nil
}

// encodePass goes once over what is lacking, with half as many workers as there are decoders, each at
// batches of its own. It adds the digests of pictures that cannot be encoded to unfit.
func (e *Engine) encodePass(ctx context.Context, encoder Encoder, rate float64, unfit map[string]bool, progress func(done int)) (done int, err error) {
	var mu sync.Mutex // guards after, ended, done and unfit
	var after []byte
	var ended bool
	pace := newPace(rate)
	workers := max(1, e.config.DecodeWorkers/2)
	faults := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for faults[w] == nil {
				mu.Lock()
				from, stop := after, ended
				mu.Unlock()
				if stop {
					return
				}
				good := 0
				last, err := e.store.EncodeImages(ctx, encoder.Name(), from, encodeBatch, func(images []Image) ([][]float32, error) {
					out, bad, err := e.encodeImages(ctx, encoder, images)
					good = len(images) - len(bad)
					mu.Lock()
					defer mu.Unlock()
					for _, digest := range bad {
						unfit[digest] = true
					}
					return out, err
				})
				mu.Lock()
				done, ended = done+good, ended || last == nil
				if string(last) > string(after) {
					after = last
				}
				progress(done)
				mu.Unlock()
				if faults[w] = err; err == nil {
					faults[w] = pace.wait(ctx, good)
				}
			}
		})
	}
	wg.Wait()
	return done, errors.Join(faults...)
}

// encodeImages makes outputs of stored pictures, nil for those that cannot be used, whose digests it
// returns.
func (e *Engine) encodeImages(ctx context.Context, encoder Encoder, images []Image) (outputs [][]float32, unfit []string, err error) {
	outputs = make([][]float32, len(images))
	faults := make([]error, len(images))
	var wg sync.WaitGroup
	for i, image := range images {
		wg.Go(func() { outputs[i], faults[i] = e.encodeOne(ctx, encoder, image.Bytes) })
	}
	wg.Wait()
	for i, fault := range faults {
		var of *recsys.FieldError
		switch {
		case fault == nil:
		case errors.As(fault, &of):
			e.log.Warn("a stored picture cannot be encoded", "encoder", encoder.Name(), "image_digest", fmt.Sprintf("%x", images[i].Digest), "error", fault)
			unfit = append(unfit, string(images[i].Digest))
		default:
			return nil, nil, fault
		}
	}
	return outputs, unfit, nil
}

// encodeOne decodes and encodes a picture.
func (e *Engine) encodeOne(ctx context.Context, encoder Encoder, image []byte) ([]float32, error) {
	tensor, err := e.tensor(ctx, encoder, image)
	if err != nil {
		return nil, err
	}
	return encodeTensor(ctx, encoder, tensor)
}

func encodeTensor(ctx context.Context, encoder Encoder, tensor []float32) ([]float32, error) {
	raw, err := encoder.Encode(ctx, tensor)
	if err != nil {
		return nil, fmt.Errorf("embed the picture: %w", err)
	}
	return raw, nil
}

// hashes are those of a picture and of its mirror image.
type hashes struct{ plain, mirrored imageprep.Hash }

func hashesOf(tensor []float32) *hashes {
	var h hashes
	h.plain, h.mirrored = imageprep.HashTensor(tensor)
	return &h
}

// encodeHashed also gives the picture's hashes.
func (e *Engine) encodeHashed(ctx context.Context, encoder Encoder, image []byte) ([]float32, *hashes, error) {
	tensor, err := e.tensor(ctx, encoder, image)
	if err != nil {
		return nil, nil, err
	}
	raw, err := encodeTensor(ctx, encoder, tensor)
	if err != nil {
		return nil, nil, err
	}
	return raw, hashesOf(tensor), nil
}

// tensor decodes a picture. At most Config.DecodeWorkers are decoded at once.
func (e *Engine) tensor(ctx context.Context, encoder Encoder, image []byte) ([]float32, error) {
	select {
	case e.decode <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-e.decode }()
	return encoder.Tensor(image)
}

// completeOutputs encodes the pictures of items whose output is lacking: of items that a
// process wrote which had not heard of this encoder yet. The outputs are not stored here.
func (e *Engine) completeOutputs(ctx context.Context, encoder Encoder, lacking map[string]*space.Input) error {
	if len(lacking) == 0 {
		return nil
	}
	ids := make([]string, 0, len(lacking))
	for id := range lacking {
		ids = append(ids, id)
	}
	return e.store.Images(ctx, ids, func(itemID string, image []byte) error {
		raw, err := e.encodeOne(ctx, encoder, image)
		var of *recsys.FieldError
		if errors.As(err, &of) {
			return nil // the item is embedded from what else it has
		}
		lacking[itemID].Image = raw
		return err
	})
}

// pace bounds work to a rate.
type pace struct {
	mu    sync.Mutex
	each  time.Duration // 0: no bound
	ready time.Time     // when the next piece may begin
}

func newPace(rate float64) *pace {
	if rate <= 0 {
		return &pace{}
	}
	return &pace{each: time.Duration(float64(time.Second) / rate), ready: time.Now()}
}

// wait blocks until n pieces that were just done are within the rate.
func (p *pace) wait(ctx context.Context, n int) error {
	if p.each == 0 {
		return ctx.Err()
	}
	p.mu.Lock()
	p.ready = p.ready.Add(time.Duration(n) * p.each)
	left := time.Until(p.ready)
	p.mu.Unlock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(left):
		return nil
	}
}
