/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver of the edu device on its model: registers, DMA, wrong arguments, failures. */
#include "driver_rig.h"

#include "drivers/edu.h"

#include <errno.h>
#include <linux/dma-mapping.h>
#include <linux/slab.h>

static const char *const specs[] = {"sim:edu", "sim:edu,iommu=0", "sim:edu,policy=lazy",
				    "sim:edu,untrusted=1", "sim:edu,iommu=0,coherent=0"};

static void probe(const char *spec, struct device **dev, struct edu **edu)
{
	*dev = dmamap_open(spec);
	assert_non_null(*dev);
	*edu = edu_probe(*dev);
	if (!*edu)
		fail_msg("%s: %s", spec, driver_strerror());
}

static void test_registers(void **state)
{
	struct device *dev;
	struct edu *edu;
	u32 value = 0;

	probe("sim:edu", &dev, &edu);
	assert_int_equal(edu_identification(edu) & 0xffff, 0x00ed);
	assert_int_equal(edu_check_alive(edu, 0x12345678), 0);
	assert_int_equal(edu_factorial(edu, 10, false, &value), 0);
	assert_int_equal(value, 3628800);
	assert_int_equal(edu_factorial(edu, 13, true, &value), 0);
	assert_int_equal(value, 1932053504); /* 13! modulo 2^32 */
	assert_int_equal(dma_get_mask(dev), DMA_BIT_MASK(28));
	edu_remove(edu);
	assert_all_released(dev);
	dmamap_close(dev);
}

/* A buffer at any address of the device's memory, in both directions, in every configuration. */
static void test_dma(void **state)
{
	static const u32 range[][2] = {{0, 4096}, {0, 1}, {4095, 1}, {100, 3000}, {7, 13}};
	struct device *dev;
	struct edu *edu;
	u8 *p;

	for (size_t s = 0; s < sizeof(specs) / sizeof(specs[0]); s++) {
		probe(specs[s], &dev, &edu);
		p = kmalloc(2 * EDU_BUFFER_SIZE, GFP_KERNEL);
		assert_non_null(p);
		for (size_t i = 0; i < sizeof(range) / sizeof(range[0]); i++) {
			u32 offset = range[i][0], size = range[i][1];

			memset(p, 0xee, 2 * EDU_BUFFER_SIZE);
			for (u32 k = 0; k < size; k++)
				p[300 + k] = (u8)(k * 7 + i);
			assert_int_equal(edu_write(edu, p + 300, offset, size), 0);
			memset(p, 0xdd, 2 * EDU_BUFFER_SIZE);
			assert_int_equal(edu_read(edu, p + 300, offset, size), 0);
			for (u32 k = 0; k < size; k++)
				assert_int_equal(p[300 + k], (u8)(k * 7 + i));
			assert_int_equal(p[299], 0xdd);
			assert_int_equal(p[300 + size], 0xdd);
		}
		kfree(p);
		edu_remove(edu);
		assert_all_released(dev);
		dmamap_close(dev);
	}
}

static void test_bad(void **state)
{
	struct device *dev, *other;
	struct edu *edu;
	char byte = 1;

	probe("sim:edu", &dev, &edu);
	assert_int_equal(edu_write(edu, &byte, 0, 0), -EINVAL);
	assert_int_equal(edu_write(edu, &byte, 4096, 1), -EINVAL);
	assert_int_equal(edu_write(edu, &byte, UINT32_MAX, 2), -EINVAL);
	assert_non_null(strstr(driver_strerror(), "do not fit"));
	other = dmamap_open("sim");
	assert_non_null(other);
	errno = 0;
	assert_null(edu_probe(other));
	assert_int_equal(errno, ENODEV);
	dmamap_close(other);
	edu_remove(edu);
	edu_remove(NULL);
	dmamap_close(dev);
}

static void test_failures(void **state)
{
	struct fail_rule always = {.every = 1};
	struct device *dev;
	struct edu *edu;
	static char byte = 1;

	probe("sim:edu", &dev, &edu);
	fail_set(FAIL_MAP, &always);
	assert_int_equal(edu_write(edu, &byte, 0, 1), -ENOMEM);
	fail_set(FAIL_MAP, NULL);
	assert_int_equal(edu_write(edu, &byte, 0, 1), 0);
	edu_remove(edu);
	fail_set(FAIL_PAGE, &always);
	assert_null(edu_probe(dev));
	fail_set(FAIL_PAGE, NULL);
	assert_all_released(dev);
	dmamap_close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_dma),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
