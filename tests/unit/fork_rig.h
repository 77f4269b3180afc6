/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that run in a child of fork(). A child uses no assertion of cmocka: a function that
 * runs there returns 0, or EXPECT() prints the place that failed and returns 1.
 */
#ifndef FORK_RIG_H
#define FORK_RIG_H

#include "core_rig.h"

#include <linux/dmapool.h>
#include <linux/vmalloc.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXPECT(x)                                                                                  \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "# in a child, %s:%d: %s\n", __FILE__, __LINE__,           \
				dmamap_strerror());                                                \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

#define CHILD_SECONDS 60

/* Runs fn in a child. Returns waitpid()'s status. */
static inline int child_status(int (*fn)(void *), void *arg, bool by_exit)
{
	pid_t p;
	int status = -1, failed;

	fflush(stdout);
	p = fork();
	if (!p) {
		const struct sigaction none = {.sa_handler = SIG_DFL};

		/* cmocka's handlers would continue with the parent's tests */
		sigaction(SIGSEGV, &none, NULL);
		sigaction(SIGALRM, &none, NULL);
		alarm(CHILD_SECONDS);
		failed = fn(arg);
		if (by_exit)
			exit(failed != 0);
		_exit(failed != 0);
	}
	assert_true(p > 0);
	assert_int_equal(waitpid(p, &status, 0), p);
	return status;
}

static inline void in_child(int (*fn)(void *), void *arg)
{
	assert_int_equal(child_status(fn, arg, false), 0);
}

/* A sanitizer may turn the signal into an exit with a status of its own. */
static inline void dies_in_child(int (*fn)(void *), void *arg)
{
	int status = child_status(fn, arg, false);

	assert_false(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
}

/* Maps, allocates and frees on a device that this process opens. */
static inline int uses(const char *spec)
{
	struct device *dev = dmamap_open(spec);
	u8 byte = 0x77, *p, *foreign, seen[4096];
	dma_addr_t addr, pool_addr;
	struct dma_pool *pool;
	void *block;

	EXPECT(dev);
	EXPECT(!dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)));
	p = kmalloc(8192, GFP_KERNEL);
	EXPECT(p);
	memset(p, 0xcc, 8192);
	foreign = malloc(4096);
	EXPECT(foreign);
	memset(foreign, 0xdd, 4096);
	for (int i = 0; i < 300; i++) {
		addr = dma_map_single(dev, p, 8192, DMA_BIDIRECTIONAL);
		EXPECT(!dma_mapping_error(dev, addr));
		EXPECT(!dmamap_bus_read(dev, addr + 4096, seen, 4096) && rig_all(seen, 4096, 0xcc));
		EXPECT(!dmamap_bus_write(dev, addr + 100, &byte, 1));
		dma_unmap_single(dev, addr, 8192, DMA_BIDIRECTIONAL);
		EXPECT(p[100] == 0x77);
		p[100] = 0xcc;
		addr = dma_map_single(dev, foreign, 4096, DMA_TO_DEVICE);
		EXPECT(!dma_mapping_error(dev, addr));
		EXPECT(!dmamap_bus_read(dev, addr, seen, 4096) && rig_all(seen, 4096, 0xdd));
		dma_unmap_single(dev, addr, 4096, DMA_TO_DEVICE);
	}
	pool = dma_pool_create("child", dev, 64, 0, 0);
	EXPECT(pool);
	block = dma_pool_alloc(pool, GFP_KERNEL, &pool_addr);
	EXPECT(block);
	dma_pool_free(pool, block, pool_addr);
	dma_pool_destroy(pool);
	block = vmalloc(20000);
	EXPECT(block);
	vfree(block);
	kfree(p);
	free(foreign);
	EXPECT(rig_stats(dev).maps == 600 && rig_stats(dev).unmaps == 600);
	dmamap_close(dev);
	return 0;
}

static inline unsigned int count_fds(void)
{
	unsigned int n = 0;

	for (int fd = 3; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static inline int has_as_many(void *arg)
{
	EXPECT(count_fds() == *(unsigned int *)arg);
	/* and what it opens itself stays open */
	EXPECT(!uses("sim"));
	EXPECT(count_fds() == *(unsigned int *)arg);
	return 0;
}

/* Reads a byte, which ends a process that may not read it. */
static inline int reads(void *arg)
{
	return *(volatile u8 *)arg & 0;
}

#endif
