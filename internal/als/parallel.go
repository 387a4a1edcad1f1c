package als

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// rowsPerTask is small because the entries of rows are unevenly spread.
const rowsPerTask = 32

// parallel calls work(worker, task) for every task in 0..tasks-1 on several
// goroutines; worker numbers them from 0, so that each may have its own scratch.
// Tasks go to whoever is free: work must write only what belongs to its task. It
// returns ctx's error if ctx has ended; some tasks may then be undone.
func parallel(ctx context.Context, workers, tasks int, work func(worker, task int)) error {
	var next atomic.Int64
	var group sync.WaitGroup
	for worker := range min(workers, tasks) {
		group.Go(func() {
			for ctx.Err() == nil {
				task := int(next.Add(1)) - 1
				if task >= tasks {
					return
				}
				work(worker, task)
			}
		})
	}
	group.Wait()
	return ctx.Err()
}

func workerCount(configured int) int {
	if configured > 0 {
		return configured
	}
	return runtime.GOMAXPROCS(0)
}
