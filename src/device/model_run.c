/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of a device of a model: its memory, its thread, its steps and its reset.
 *
 * The thread of a model with `step` calls it while it returns true, then waits for
 * dmamap_model_wake(). `turn` is held during a call, so that a reset runs between two steps; with
 * threads=0 there is no thread, and `turn` is held during every call of the model.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/fail.h"
#include "base/fork.h"
#include "base/math.h"
#include "base/thread.h"
#include "device/model.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

unsigned int model_vectors(const struct dmamap_model_ops *model)
{
	return (unsigned int)max_u64(max_u64(model->pci.msi, model->pci.msix), model->pci.intx);
}

/* A file in memory, so that another process can map it, too. */
static int model_memory_make(struct device *dev, int bar)
{
	struct model_state *s = dev->model_state;
	const u64 size = dev->model->region[bar].size;
	void *p = MAP_FAILED;
	int fd;

	fd = fail_here(FAIL_MEMORY, NULL) ? (errno = EMFILE, -1)
					  : memfd_create("dmamap-region", MFD_CLOEXEC);
	if (fd >= 0 && !ftruncate(fd, (off_t)size))
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		int err = error_set(errno, "%s: no memory of %llu bytes for region %d: %s",
				    dev->name, (unsigned long long)size, bar, strerror(errno));

		if (fd >= 0)
			close(fd);
		return err;
	}
	madvise(p, size, MADV_DONTFORK); /* as all memory of a device; see base/fork.h */
	fork_fd_add(fd);
	s->memory[bar] = p;
	s->memory_fd[bar] = fd;
	return 0;
}

static u8 model_route(const struct dmamap_model_ops *model, int bar, bool stepped)
{
	u8 route = stepped ? ROUTE_SERIAL : 0;

	if (model->region[bar].flags & DMAMAP_BAR_MAPPABLE)
		route |= ROUTE_MEMORY;
	if (model->pci.msix && (bar == model->pci.table_bar || bar == model->pci.pba_bar))
		route |= ROUTE_MSIX;
	return route;
}

int model_state_make(struct device *dev, bool stepped)
{
	struct model_state *s;
	int err = 0;

	if (!dev->model)
		return 0;
	dev->model_state = s = alloc_zeroed(sizeof(*s));
	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->turn, NULL);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->more, NULL);
	s->stepped = stepped;
	for (int i = 0; i < DEVICE_BARS && !err; i++) {
		s->route[i] = model_route(dev->model, i, stepped);
		if (s->route[i] & ROUTE_MEMORY)
			err = model_memory_make(dev, i);
	}
	if (!err)
		err = msix_make(dev);
	if (err)
		model_state_free(dev);
	return err;
}

void model_state_free(struct device *dev)
{
	struct model_state *s = dev->model_state;

	if (!s)
		return;
	for (int i = 0; i < DEVICE_BARS; i++) {
		if (!s->memory[i])
			continue;
		munmap(s->memory[i], dev->model->region[i].size);
		fork_fd_close(s->memory_fd[i]);
	}
	pthread_cond_destroy(&s->more);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->turn);
	alloc_free(s->msix);
	alloc_free(s);
	dev->model_state = NULL;
}

static void model_signal(struct model_state *s, u32 *flag)
{
	if (__atomic_exchange_n(flag, 1, __ATOMIC_ACQ_REL))
		return; /* the thread that changed it signals */
	pthread_mutex_lock(&s->lock);
	pthread_cond_signal(&s->more);
	pthread_mutex_unlock(&s->lock);
}

static void model_wait(struct model_state *s)
{
	pthread_mutex_lock(&s->lock);
	while (!read_acquire(&s->pending) && !read_acquire(&s->stop))
		pthread_cond_wait(&s->more, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

/* Under turn. */
static void model_step_once(struct device *dev)
{
	struct model_state *s = dev->model_state;

	write_release(&s->pending, 0);
	if (dev->model->step(dev->ops_priv))
		write_release(&s->pending, 1);
}

static void *model_thread(void *arg)
{
	struct device *dev = arg;
	struct model_state *s = dev->model_state;

	while (!read_acquire(&s->stop)) {
		if (!read_acquire(&s->pending)) {
			model_wait(s);
			continue;
		}
		/* a mutex is not fair, so a busy model could delay a reset without bound */
		while (read_acquire(&s->wanted))
			sched_yield();
		pthread_mutex_lock(&s->turn);
		model_step_once(dev);
		pthread_mutex_unlock(&s->turn);
	}
	return NULL;
}

int model_start(struct device *dev, const struct dmamap_model_value *values)
{
	struct model_state *s = dev->model_state;
	void *model = NULL;
	int err;

	error_clear();
	err = dev->model->create(dev, values, &model);
	if (err > 0)
		err = error_set(EINVAL,
				"model %s: .create returned %d: it must return 0 or a "
				"negative errno",
				dev->model->name, err);
	else if (err && !*error_text())
		error_set(-err, "model %s: .create failed without dmamap_model_error(): %s",
			  dev->model->name, strerror(-err));
	if (err)
		return err;
	dev->ops_priv = model;
	if (!dev->model->step || dev->model->flags & DMAMAP_MODEL_OWN_THREADS || s->stepped)
		return 0;
	err = dmamap_model_thread_start(&s->thread, model_thread, dev, dev->name);
	s->has_thread = !err;
	if (err)
		dev->model->destroy(model);
	return err;
}

void model_stop(struct device *dev)
{
	struct model_state *s = dev->model_state;

	if (s->has_thread) {
		model_signal(s, &s->stop);
		pthread_join(s->thread, NULL);
	}
	dev->model->destroy(dev->ops_priv);
}

void dmamap_model_wake(struct device *dev)
{
	model_signal(dev->model_state, &dev->model_state->pending);
}

bool dmamap_model_stepped(const struct device *dev)
{
	return dev->model_state->stepped;
}

int dmamap_model_step(struct device *dev)
{
	struct model_state *s = dev ? dev->model_state : NULL;
	int more;

	if (!s || !s->stepped)
		return error_set(EINVAL,
				 "%s: only a device of a model that was opened with threads=0 is "
				 "stepped by the program",
				 dev_name(dev));
	pthread_mutex_lock(&s->turn);
	model_step_once(dev);
	more = (int)read_acquire(&s->pending);
	pthread_mutex_unlock(&s->turn);
	return more;
}

void *dmamap_model_memory(struct device *dev, int bar)
{
	return bar >= 0 && bar < DEVICE_BARS ? dev->model_state->memory[bar] : NULL;
}

void *dmamap_bar_map(struct device *dev, int bar, int *fd)
{
	struct model_state *s = dev ? dev->model_state : NULL;

	if (!dev || bar < 0 || bar >= DEVICE_BARS)
		return error_null(EINVAL, "%s: there is no BAR %d (0 to %d)", dev_name(dev), bar,
				  DEVICE_BARS - 1);
	if (!s || !s->memory[bar])
		return error_null(ENOENT, "%s: BAR %d is not mappable", dev->name, bar);
	if (fd)
		*fd = s->memory_fd[bar];
	return s->memory[bar];
}

static void model_route_all(struct model_state *s, bool reset)
{
	for (int i = 0; i < DEVICE_BARS; i++) {
		u8 route = read_once(&s->route[i]);

		write_release(&s->route[i], reset ? route | ROUTE_RESET : route & (u8)~ROUTE_RESET);
	}
}

int dmamap_reset(struct device *dev, enum dmamap_reset_kind kind)
{
	struct model_state *s = dev ? dev->model_state : NULL;

	if (!dev || (kind != DMAMAP_RESET_FUNCTION && kind != DMAMAP_RESET_HOT))
		return error_set(EINVAL,
				 "%s: reset of kind %d: there are DMAMAP_RESET_FUNCTION and "
				 "DMAMAP_RESET_HOT",
				 dev_name(dev), (int)kind);
	if (!s || !dev->model->reset)
		return error_set(EOPNOTSUPP, "%s: this device cannot be reset", dev->name);
	__atomic_fetch_add(&s->wanted, 1, __ATOMIC_ACQ_REL);
	pthread_mutex_lock(&s->turn);
	__atomic_fetch_sub(&s->wanted, 1, __ATOMIC_ACQ_REL);
	model_route_all(s, true);
	dev->model->reset(dev->ops_priv, kind);
	msix_clear_pending(dev);
	model_route_all(s, false);
	pthread_mutex_unlock(&s->turn);
	return 0;
}

/* With threads=0 every call of the model is made under turn. */
static void model_serial_begin(struct model_state *s)
{
	if (s->stepped)
		pthread_mutex_lock(&s->turn);
}

static void model_serial_end(struct model_state *s)
{
	if (s->stepped)
		pthread_mutex_unlock(&s->turn);
}

bool model_line(struct device *dev)
{
	bool asserted;

	model_serial_begin(dev->model_state);
	asserted = dev->model->line(dev->ops_priv);
	model_serial_end(dev->model_state);
	return asserted;
}

void model_config_written(struct device *dev, u64 offset, unsigned int size, u64 value)
{
	if (!dev->model->config_written)
		return;
	model_serial_begin(dev->model_state);
	dev->model->config_written(dev->ops_priv, (unsigned int)offset, size, value);
	model_serial_end(dev->model_state);
}
