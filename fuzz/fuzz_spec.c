/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any string as the argument of dmamap_open(): either it opens a device that works and closes, or
 * it fails with an errno and an error message. The harness bounds what a string can do: an image is
 * only ever the harness's own file (written "@" in the input), RAM is at most 64 GiB of address
 * space, and only simulated devices are opened. For the other back ends only the spec is parsed and
 * the command line built; no program is started.
 */
#include "device/spec.h"
#include "qemu/options.h"

#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <errno.h>
#include <linux/dma-mapping.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char image[] = "/tmp/dmamap-fuzz-spec-XXXXXX";

static void remove_image(void)
{
	unlink(image);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int fd = mkstemp(image);

	if (fd < 0 || ftruncate(fd, 1 << 20)) {
		perror(image);
		exit(1);
	}
	close(fd);
	atexit(remove_image);
	return 0;
}

/*
 * True: the size fits into memory beside the sanitizer. A value that is not a number is left to the
 * parser.
 */
static bool size_is_small(const char *spec)
{
	for (const char *p = spec; (p = strchr(p, '='));) {
		char *end;
		unsigned long long n = strtoull(++p, &end, 0);

		if (n > 64ull << 30)
			return false;
		if (strchr("kK", *end) ? n > 64ull << 20 : strchr("mM", *end) ? n > 64 << 10 : 0)
			return false;
		if (*end && strchr("gGtTpPeE", *end) && n > 64)
			return false;
		if (*end && strchr("tTpPeE", *end))
			return false;
	}
	return true;
}

/*
 * Converts the input to a spec, with "image=@" replaced by the harness's file. False: the spec must
 * not be tried.
 */
static bool make_spec(const uint8_t *data, size_t size, char *spec, size_t room)
{
	char text[256];
	const char *at;

	if (size >= sizeof(text))
		return false;
	memcpy(text, data, size);
	text[size] = 0;
	for (const char *other = "vfio\0iommufd\0"; *other; other += strlen(other) + 1)
		if (strncmp(text, other, strlen(other)) == 0)
			return false;
	/* a path would load a shared object that the input names */
	if (!strncmp(text, "sim:", 4) && strcspn(text, "/") < strcspn(text, ","))
		return false;
	at = strstr(text, "image=");
	if (!at)
		snprintf(spec, room, "%s", text);
	else if (at[6] == '@' && !strstr(at + 6, "image="))
		snprintf(spec, room, "%.*s%s%s", (int)(at + 6 - text), text, image, at + 7);
	else
		return false;
	return size_is_small(spec);
}

#define check(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "spec \"%s\": not %s\n", spec, #what);                     \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static void use(struct device *dev, const char *spec)
{
	/* whole cache lines: a machine that is not coherent transfers nothing less */
	static _Alignas(64) char buffer[128] = "seen through any device";
	char seen[sizeof(buffer)];
	dma_addr_t addr;

	check(dev_name(dev) && *dev_name(dev));
	if (dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)))
		return;
	addr = dma_map_single(dev, buffer, sizeof(buffer), DMA_TO_DEVICE);
	if (dma_mapping_error(dev, addr)) {
		check(*dmamap_strerror());
		return;
	}
	/* The call fails if the device has fewer address lines than the driver declared. */
	if (dmamap_bus_read(dev, addr, seen, sizeof(seen)) == 0)
		check(memcmp(buffer, seen, sizeof(seen)) == 0);
	dma_unmap_single(dev, addr, sizeof(buffer), DMA_TO_DEVICE);
}

static void take_apart(const char *text)
{
	struct qemu_options options;
	struct options_words words;
	struct spec spec;

	if (spec_parse(&spec, text))
		return;
	if (spec.hw && spec.hw->any_key && !options_read(&options, &spec.config)) {
		options_command(&options, "qemu", &words);
		words_free(&words);
	}
	spec_free(&spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char spec[512];
	struct device *dev;

	if (!make_spec(data, size, spec, sizeof(spec)))
		return 0;
	/*
	 * these would start a program that the input names, or open the machine's devices: only
	 * parse them
	 */
	if (!strncmp(spec, "qemu", 4) || !strncmp(spec, "vfio", 4) ||
	    !strncmp(spec, "iommufd", 7)) {
		take_apart(spec);
		return 0;
	}
	errno = 0;
	dev = dmamap_open(spec);
	if (dev) {
		use(dev, spec);
		dmamap_close(dev);
	} else {
		check(errno > 0);
		check(*dmamap_strerror());
	}
	return 0;
}
