/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Texts from outside the program: DMAMAP_CHECK, DMAMAP_FAIL and a file of suppressions. With any
 * text a device is either opened, used and closed, or refused with an errno and an error message.
 * The first byte selects the kind of text. In DMAMAP_CHECK the only file is the harness's own.
 */
#include <dmamap/check.h>
#include <dmamap/device.h>
#include <errno.h>
#include <linux/dma-mapping.h>
#include <linux/slab.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char file[] = "/tmp/dmamap-fuzz-words-XXXXXX";

static void remove_file(void)
{
	unlink(file);
}

static void on_report(const struct dmamap_report *r, void *arg)
{
	if (!r->text || !*r->text || r->kind < 1 || r->kind >= DMAMAP_CHECK_KINDS)
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int fd = mkstemp(file);

	if (fd < 0) {
		perror(file);
		exit(1);
	}
	close(fd);
	atexit(remove_file);
	dmamap_check_on_report(on_report, NULL);
	return 0;
}

/* False: the text could end the process or write to another file, which would test nothing. */
static bool is_harmless(const char *words)
{
	return !strstr(words, "abort") && !strstr(words, "json=") && !strstr(words, "suppress=");
}

static void set_check(const char *words, const uint8_t *lines, size_t size)
{
	char text[512];
	FILE *f;

	if (words) {
		setenv("DMAMAP_CHECK", words, 1);
		return;
	}
	f = fopen(file, "w");
	if (!f || fwrite(lines, 1, size, f) != size || fclose(f))
		exit(1);
	snprintf(text, sizeof(text), "1,stacks=%zu,suppress=%s", size % 8, file);
	setenv("DMAMAP_CHECK", text, 1);
}

/* A driver that misses an unmap, so that there is something to report. */
static void use(struct device *dev)
{
	void *p = kmalloc(512, GFP_KERNEL);
	dma_addr_t at;

	if (!p)
		return;
	at = dma_map_single(dev, p, 512, DMA_TO_DEVICE);
	if (!dma_mapping_error(dev, at) && dma_set_mask(dev, DMA_BIT_MASK(32)) == 0)
		dma_sync_single_for_cpu(dev, at, 1024, DMA_TO_DEVICE);
	kfree(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char words[256];
	struct device *dev;

	if (size < 1 || size > sizeof(words))
		return -1;
	memcpy(words, data + 1, size - 1);
	words[size - 1] = 0;
	unsetenv("DMAMAP_CHECK");
	if (data[0] % 3 == 0) {
		if (dmamap_fail(words) && (errno != EINVAL || !*dmamap_strerror()))
			abort();
	} else if (data[0] % 3 == 1) {
		if (!is_harmless(words))
			return -1;
		set_check(words, NULL, 0);
	} else {
		set_check(NULL, data + 1, size - 1);
	}
	dev = dmamap_open("sim,ram=16M");
	if (!dev && (!errno || !*dmamap_strerror()))
		abort();
	if (dev)
		use(dev);
	dmamap_close(dev);
	dmamap_fail(NULL);
	return 0;
}
