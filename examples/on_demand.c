/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device uses memory that is not pinned. Its accesses fault pages in, and after the program has
 * unmapped the memory its accesses are refused.
 */
#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <linux/dma-mapping.h>
#include <rdma/ib_umem_odp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE (1ul << 30)

static int invalidated; /* atomic: invalidate_range() runs in a thread of the library */

static void pages_gone(struct ib_umem *umem, unsigned long start, unsigned long end)
{
	__atomic_add_fetch(&invalidated, 1, __ATOMIC_SEQ_CST);
}

static int use(struct device *dev, struct ib_ucontext *ctx, char *memory)
{
	struct ib_umem *umem = ib_umem_get(ctx, (unsigned long)memory, SIZE,
					   IB_ACCESS_ON_DEMAND | IB_ACCESS_LOCAL_WRITE);
	char text[16] = "";
	dma_addr_t at;
	int bad;

	if (IS_ERR(umem))
		return 1;
	at = ib_umem_start_dma_addr(umem) + SIZE / 2;
	/* nothing is mapped yet: the access waits until the page is present */
	bad = dmamap_bus_write(dev, at, "from the device", 16) != 0;
	bad |= strcmp(memory + SIZE / 2, "from the device") != 0;
	printf("the device wrote: %s\n", memory + SIZE / 2);

	/* if the kernel reports no events, the program must announce the unmap itself */
	if (!ib_umem_events_enabled(ctx))
		ib_umem_invalidate_range(ctx, (unsigned long)memory, (unsigned long)memory + SIZE);
	munmap(memory, SIZE);
	bad |= dmamap_bus_read(dev, at, text, sizeof(text)) == 0;
	printf("after munmap its read is %s\n", bad ? "not refused" : "refused");
	for (int ms = 0; ms < 1000 && !__atomic_load_n(&invalidated, __ATOMIC_SEQ_CST); ms++)
		usleep(1000);
	bad |= !__atomic_load_n(&invalidated, __ATOMIC_SEQ_CST);
	ib_umem_release(umem);
	return bad;
}

int main(void)
{
	struct device *dev = dmamap_open("sim");
	struct ib_ucontext *ctx;
	char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int bad = 1;

	if (dev && memory != MAP_FAILED && !dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64))) {
		ctx = ib_alloc_ucontext(dev, pages_gone);
		if (!IS_ERR(ctx)) {
			bad = use(dev, ctx, memory);
			ib_dealloc_ucontext(ctx);
		}
	}
	if (bad)
		fprintf(stderr, "failed: %s\n", dmamap_strerror());
	dmamap_close(dev);
	return bad;
}
