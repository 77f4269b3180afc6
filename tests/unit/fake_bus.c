/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_bus.h"
#include "base/math.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#define VECTORS 64

u8 fake_memory[FAKE_BYTES] __attribute__((aligned(4096)));
int fake_max_segments;

static u8 rights[FAKE_BYTES / PAGE_BYTES];
static u64 held, refused, counts[VECTORS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;

void fake_reset(void)
{
	/* private memory without a file reads as zeroes again */
	madvise(fake_memory, sizeof(fake_memory), MADV_DONTNEED);
	memset(rights, FAKE_READ | FAKE_WRITE, sizeof(rights));
	memset(counts, 0, sizeof(counts));
	fake_max_segments = 0;
	held = 0;
	refused = 0;
}

void fake_allow(u64 addr, u64 len, int r)
{
	u64 first = (addr - FAKE_BASE) / PAGE_BYTES, i;

	for (i = 0; i < pages_spanned(addr, len); i++)
		write_once(&rights[first + i], (u8)r);
}

void *fake_at(u64 addr)
{
	return fake_memory + (addr - FAKE_BASE);
}

u64 fake_held(void)
{
	return read_acquire(&held);
}

u64 fake_refused(void)
{
	return read_once(&refused);
}

static u8 *reach(u64 addr, u64 len, int need)
{
	u64 i, first = (addr - FAKE_BASE) / PAGE_BYTES;

	if (addr < FAKE_BASE || !range_within(addr - FAKE_BASE, len, FAKE_BYTES))
		goto refuse;
	for (i = 0; i < pages_spanned(addr, len); i++) {
		if (!(read_once(&rights[first + i]) & need))
			goto refuse;
	}
	return fake_memory + (addr - FAKE_BASE);

refuse:
	__atomic_add_fetch(&refused, 1, __ATOMIC_RELAXED);
	return NULL;
}

/* Word by word in ascending order, as the bus promises, if everything is aligned. */
static void copy(u8 *to, const u8 *from, size_t len)
{
	size_t i;

	if (((uintptr_t)to | (uintptr_t)from | len) & 7) {
		memcpy(to, from, len);
		return;
	}
	for (i = 0; i < len; i += 8)
		write_release((u64 *)(to + i), read_acquire((const u64 *)(from + i)));
}

int dmamap_bus_read(struct device *dev, dma_addr_t addr, void *buf, size_t len)
{
	u8 *p = reach(addr, len, FAKE_READ);

	if (!p)
		return -EFAULT;
	copy(buf, p, len);
	return 0;
}

int dmamap_bus_write(struct device *dev, dma_addr_t addr, const void *buf, size_t len)
{
	u8 *p = reach(addr, len, FAKE_WRITE);

	if (!p)
		return -EFAULT;
	copy(p, buf, len);
	return 0;
}

/* With a limit on segments, each page is a segment. */
int dmamap_bus_map(struct device *dev, dma_addr_t addr, size_t len, bool write, struct iovec *iov,
		   int max)
{
	u8 *p = reach(addr, len, write ? FAKE_WRITE : FAKE_READ);
	size_t part;
	int n;

	if (!p)
		return -EFAULT;
	if (fake_max_segments && max > fake_max_segments)
		max = fake_max_segments;
	if (max < 1 || (fake_max_segments && pages_spanned(addr, len) > (u64)max))
		return -ENOSPC;
	for (n = 0; len; n++, p += part, len -= part) {
		part = fake_max_segments ? PAGE_BYTES - ((uintptr_t)p & (PAGE_BYTES - 1)) : len;
		if (part > len)
			part = len;
		iov[n] = (struct iovec){p, part};
	}
	__atomic_add_fetch(&held, 1, __ATOMIC_ACQ_REL);
	return n;
}

void dmamap_bus_unmap(struct device *dev, struct iovec *iov, int n, bool written)
{
	__atomic_sub_fetch(&held, 1, __ATOMIC_ACQ_REL);
}

void dmamap_model_interrupt(struct device *dev, unsigned int vector)
{
	pthread_mutex_lock(&lock);
	if (vector < VECTORS)
		counts[vector]++;
	pthread_cond_broadcast(&more);
	pthread_mutex_unlock(&lock);
}

void dmamap_model_misuse(struct device *dev, const char *fmt, ...)
{
}

bool dmamap_model_stepped(const struct device *dev)
{
	return false;
}

/* The thread of a model with `step`. A wake-up goes to all of them, since they have no device. */
struct fake_thread {
	const struct dmamap_model_ops *ops;
	void *model; /* of the thread with this model; NULL: unused */
	pthread_t id;
	bool stop;
	u64 seen;
};

static struct fake_thread threads[4]; /* under lock, as is the next line */
static u64 wakes;

static void *fake_thread_main(void *arg)
{
	struct fake_thread *t = arg;

	pthread_mutex_lock(&lock);
	while (!t->stop) {
		if (t->seen == wakes) {
			pthread_cond_wait(&more, &lock);
			continue;
		}
		t->seen = wakes;
		pthread_mutex_unlock(&lock);
		while (t->ops->step(t->model))
			;
		pthread_mutex_lock(&lock);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

static struct fake_thread *fake_thread_of(const void *model)
{
	struct fake_thread *t = threads;

	while (t->model != model)
		t++;
	return t;
}

void dmamap_model_wake(struct device *dev)
{
	pthread_mutex_lock(&lock);
	wakes++;
	pthread_cond_broadcast(&more);
	pthread_mutex_unlock(&lock);
}

int fake_create(const struct dmamap_model_ops *ops, const struct fake_arg *args, int n,
		void **model)
{
	struct dmamap_model_value values[DMAMAP_MODEL_KEYS_MAX];
	struct fake_thread *t;
	int err;

	model_values_default(ops, values);
	for (int i = 0; i < n; i++) {
		int key = model_key_find(ops, args[i].key);

		if (key < 0 || model_value_parse(ops, key, args[i].value, &values[key]))
			return -EINVAL;
	}
	err = ops->create(NULL, values, model);
	if (err || ops->flags & DMAMAP_MODEL_OWN_THREADS)
		return err;
	t = fake_thread_of(NULL);
	*t = (struct fake_thread){.ops = ops, .model = *model};
	return -pthread_create(&t->id, NULL, fake_thread_main, t);
}

void fake_destroy(const struct dmamap_model_ops *ops, void *model)
{
	struct fake_thread *t;

	if (!(ops->flags & DMAMAP_MODEL_OWN_THREADS)) {
		pthread_mutex_lock(&lock);
		t = fake_thread_of(model);
		t->stop = true;
		pthread_cond_broadcast(&more);
		pthread_mutex_unlock(&lock);
		pthread_join(t->id, NULL);
		t->model = NULL;
	}
	ops->destroy(model);
}

u64 fake_interrupts(unsigned int vector)
{
	u64 n;

	pthread_mutex_lock(&lock);
	n = counts[vector];
	pthread_mutex_unlock(&lock);
	return n;
}

void fake_interrupt_wait(unsigned int vector, u64 count)
{
	pthread_mutex_lock(&lock);
	while (counts[vector] < count)
		pthread_cond_wait(&more, &lock);
	pthread_mutex_unlock(&lock);
}
