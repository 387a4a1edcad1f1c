package als

import (
	"context"
	"iter"
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

// tasksOf is how many tasks n rows make.
func tasksOf(n int) int { return (n + rowsPerTask - 1) / rowsPerTask }

// rowsOf yields the rows of a task.
func rowsOf(task, n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for k := task * rowsPerTask; k < min((task+1)*rowsPerTask, n); k++ {
			if !yield(k) {
				return
			}
		}
	}
}

func workerCount(configured int) int {
	if configured > 0 {
		return configured
	}
	return runtime.GOMAXPROCS(0)
}
