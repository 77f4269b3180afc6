/* SPDX-License-Identifier: BSD-2-Clause */
/* The models opened by a spec, as programs open them. Every failure has an error message. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dmamap/device.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];

static int setup(void **state)
{
	const char *dir = getenv("TMPDIR");
	int fd;

	snprintf(path, sizeof(path), "%.32s/dmamap-open-XXXXXX", dir ? dir : "/tmp");
	fd = mkstemp(path);
	if (fd < 0 || ftruncate(fd, 1 << 20))
		return -1;
	return close(fd);
}

static int teardown(void **state)
{
	return unlink(path);
}

static struct device *open_image(const char *file, const char *keys)
{
	char spec[160];

	snprintf(spec, sizeof(spec), "sim:nvme,image=%s%s", file, keys);
	return dmamap_open(spec);
}

static void refuse(int err, const char *word, const char *file, const char *keys)
{
	errno = 0;
	assert_null(open_image(file, keys));
	assert_int_equal(errno, err);
	if (!strstr(dmamap_strerror(), word))
		fail_msg("\"%s\" does not say \"%s\"", dmamap_strerror(), word);
}

static void test_edu(void **state)
{
	struct device *dev = dmamap_open("sim:edu");

	assert_non_null(dev);
	assert_int_equal(dmamap_readl(dev, 0, 0), 0x010000ed);
	dmamap_writel(dev, 0, 4, 1);
	assert_int_equal(dmamap_readl(dev, 0, 4), 0xfffffffe);
	assert_true(dmamap_irq_fd(dev, 0) >= 0);
	assert_int_equal(dmamap_irq_fd(dev, 1), -EINVAL);
	dmamap_close(dev);
	assert_null(dmamap_open("sim:edu,dma_mask=soft"));
	assert_int_equal(errno, EINVAL);
	assert_null(dmamap_open("sim:edu,image=x"));
	assert_int_equal(errno, EINVAL);
}

static void test_edu_interrupt(void **state)
{
	struct device *dev = dmamap_open("sim:edu");
	u64 count = 0;

	assert_non_null(dev);
	dmamap_writel(dev, 0, 0x60, 1);
	assert_int_equal(read(dmamap_irq_fd(dev, 0), &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1);
	dmamap_close(dev);
}

static void test_nvme(void **state)
{
	struct device *dev = open_image(path, ""), *other;

	assert_non_null(dev);
	assert_int_equal(dmamap_readl(dev, 0, 8), 0x10400);
	refuse(EBUSY, path, path, "");
	refuse(EBUSY, path, path, ",readonly=1");
	dmamap_close(dev);
	dev = open_image(path, ",readonly=1");
	other = open_image(path, ",readonly=1,name=second");
	assert_non_null(dev);
	assert_non_null(other);
	dmamap_close(dev);
	dmamap_close(other);
}

static void test_bad_images(void **state)
{
	char missing[80];

	snprintf(missing, sizeof(missing), "%s.not", path);
	refuse(ENOENT, missing, missing, "");
	refuse(EINVAL, "directory", "/", "");
	assert_int_equal(truncate(path, 700), 0);
	refuse(EINVAL, "truncate", path, "");
	assert_int_equal(truncate(path, 0), 0);
	refuse(EINVAL, "512", path, "");
	assert_null(dmamap_open("sim:nvme"));
	assert_int_equal(errno, EINVAL);
	assert_non_null(strstr(dmamap_strerror(), "image="));
	refuse(EINVAL, "queues", path, ",queues=99");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edu),
		cmocka_unit_test(test_edu_interrupt),
		cmocka_unit_test_setup_teardown(test_nvme, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_images, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
