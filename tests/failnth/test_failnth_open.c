/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening each kind of device, with a failure at every place. */
#include "failnth.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static char image[64];

static int open_and_close(void *arg)
{
	struct device *dev = dmamap_open(arg);
	int err = -errno;

	if (!dev)
		return err ? err : 1;
	/* closing cannot fail, armed or not */
	dmamap_close(dev);
	return 0;
}

static int open_pair(void *arg)
{
	struct device *one = dmamap_open(arg), *two = NULL;
	int err = -errno;

	if (!one)
		return err;
	two = dmamap_open(arg);
	if (!two)
		err = -errno;
	dmamap_close(one);
	dmamap_close(two);
	return two ? 0 : err;
}

static void test_plain_devices(void **state)
{
	static const char *const specs[] = {
		"sim",
		"sim,policy=lazy",
		"sim,policy=identity",
		"sim,policy=persistent",
		"sim,iommu=0",
		"sim,untrusted=1,check=1",
		"sim,coherent=0",
		"sim,coherent=0,iommu=0",
		"sim,name=mine,bus-offset=0x100000000,addr-bits=40,forcedac=1",
		"sim,group=g",
		"sim,group=g,policy=lazy",
	};

	for (size_t i = 0; i < ARRAY_SIZE(specs); i++)
		failnth_alone(specs[i], open_and_close, (void *)(uintptr_t)specs[i]);
}

static void test_groups(void **state)
{
	failnth_alone("pair", open_pair, (void *)"sim,group=g");
	failnth_alone("lazy pair", open_pair, (void *)"sim,group=g,policy=lazy");
}

static void test_edu(void **state)
{
	failnth_alone("edu", open_and_close, (void *)"sim:edu");
	failnth_alone("edu direct", open_and_close, (void *)"sim:edu,iommu=0");
}

/* A model in a shared object: it is loaded and unloaded by each open. */
static void test_object(void **state)
{
	failnth_alone("object", open_and_close, (void *)"sim:" OBJECT);
	failnth_alone("object stepped", open_and_close, (void *)"sim:" OBJECT ",threads=0,check=1");
}

static void test_nvme(void **state)
{
	char spec[128];

	snprintf(spec, sizeof(spec), "sim:nvme,image=%s", image);
	failnth_alone("nvme", open_and_close, spec);
	snprintf(spec, sizeof(spec), "sim:nvme,image=%s,policy=lazy", image);
	failnth_alone("nvme lazy", open_and_close, spec);
}

/* Without RAM before: the open creates the machine, which is freed if the open fails. */
static void test_the_first_device(void **state)
{
	static const char *const specs[] = {
		"sim,ram=64M,swiotlb=1M", "sim,iommu=0,coherent=0,ram=64M",
		"sim,policy=lazy,ram=16M", "sim,policy=identity,ram=16M"};

	for (size_t i = 0; i < ARRAY_SIZE(specs); i++)
		for (size_t k = 0; k < ARRAY_SIZE(failnth_sites); k++)
			for (unsigned int n = 1;
			     failnth_once(specs[i], failnth_sites[k], n, open_and_close,
					  (void *)(uintptr_t)specs[i]);
			     n++) {
				assert_true(n < FAILNTH_MAX);
				assert_int_equal(mem.span, 0);
			}
}

static void *open_in_thread(void *arg)
{
	return (void *)(intptr_t)open_and_close(arg);
}

static int open_by_a_new_thread(void *arg)
{
	pthread_t t;
	void *err;

	assert_int_equal(pthread_create(&t, NULL, open_in_thread, arg), 0);
	pthread_join(t, &err);
	if (err)
		error_set((int)-(intptr_t)err, "in the other thread");
	return (int)(intptr_t)err;
}

static void test_by_new_threads(void **state)
{
	failnth_alone("thread", open_by_a_new_thread, (void *)"sim,policy=lazy");
}

/* Many devices: the tables of keys and of threads grow. */
static int open_many(void *arg)
{
	enum { MANY = 40 };
	struct device *dev[MANY] = {0};
	int err = 0, n = 0;

	for (; n < MANY; n++) {
		dev[n] = dmamap_open(n % 2 ? "sim,policy=lazy" : "sim,iommu=0");
		if (!dev[n]) {
			err = -errno;
			break;
		}
	}
	while (n--)
		dmamap_close(dev[n]);
	return err;
}

static void test_many_at_once(void **state)
{
	failnth_alone("many", open_many, NULL);
}

/*
 * The table of keys, from its first key on: it grows during an open only once in a process, so this
 * test comes first.
 */
static void test_the_table_of_keys(void **state)
{
	static const char spec[] = "sim,iommu=0,ram=64M";
	struct device *dev[20];

	for (size_t i = 0; i < ARRAY_SIZE(dev); i++) {
		u32 key_before = failnth_free_key();

		for (unsigned int n = 1;
		     failnth_once(spec, "memory", n, open_and_close, (void *)(uintptr_t)spec);
		     n++) {
			assert_int_equal(failnth_free_key(), key_before);
			assert_true(n < FAILNTH_MAX);
		}
		dev[i] = dmamap_open(spec);
		assert_non_null(dev[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(dev); i++)
		dmamap_close(dev[i]);
}

static int make_image(void **state)
{
	static const char zero[65536];
	int fd;

	snprintf(image, sizeof(image), "/tmp/dmamap-failnth-XXXXXX");
	fd = mkstemp(image);
	if (fd < 0 || write(fd, zero, sizeof(zero)) != sizeof(zero))
		return -1;
	return close(fd);
}

static int remove_image(void **state)
{
	return unlink(image);
}

#define with_ram(f) cmocka_unit_test_setup_teardown(f, failnth_setup, failnth_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_table_of_keys),
		cmocka_unit_test(test_the_first_device),
		with_ram(test_plain_devices),
		with_ram(test_groups),
		with_ram(test_edu),
		with_ram(test_object),
		with_ram(test_nvme),
		with_ram(test_by_new_threads),
		with_ram(test_many_at_once),
	};

	return cmocka_run_group_tests(tests, make_image, remove_image);
}
