/* SPDX-License-Identifier: BSD-2-Clause */
/* Models of a program: registration, keys, registers, memory, steps. */
#include "fork_rig.h"
#include "model_toy.h"

#include <sys/mman.h>

static void test_models_of_the_library(void **state)
{
	static const char *const names[] = {"sim:edu", "sim:nvme", "sim:e1000e", "sim:dmaengine"};
	char list[256], few[12];

	model_list(list, sizeof(list));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_non_null(strstr(list, names[i]));
	model_list(few, sizeof(few));
	assert_string_equal(few, "sim");
	assert_int_equal(dmamap_model_register(&model_edu), -EEXIST);
	assert_int_equal(dmamap_model_unregister(&model_edu), -ENOENT);
	assert_int_equal(dmamap_model_unregister(NULL), -ENOENT);
	assert_int_equal(dmamap_model_register(NULL), -EINVAL);
}

static void test_register(void **state)
{
	struct device *dev;

	assert_int_equal(dmamap_model_register(&toy_model), -EEXIST);
	says("toy");
	dev = toy_open("sim:toy");
	assert_int_equal(dmamap_model_unregister(&toy_model), -EBUSY);
	says("close");
	assert_int_equal(toy->number, 7);
	assert_string_equal(toy->text, "none");
	dmamap_close(dev);
	dev = toy_open("sim:toy,number=0x10,text=abc,name=mine");
	assert_int_equal(toy->number, 16);
	assert_string_equal(toy->text, "abc");
	dmamap_close(dev);
	assert_int_equal(dmamap_model_unregister(&toy_model), 0);
	assert_null(dmamap_open("sim:toy"));
	says("there are sim");
	assert_int_equal(dmamap_model_unregister(&toy_model), -ENOENT);
	rig_fail(FAIL_MEMORY, 1);
	assert_int_equal(dmamap_model_register(&toy_model), -ENOMEM);
	rig_fail_none();
	assert_int_equal(dmamap_model_register(&toy_model), 0);
}

/* The program contains the static library and does not export it. */
static void test_two_libraries(void **state)
{
	assert_null(dmamap_open("sim:" OBJECTS "/model-linked.so"));
	assert_int_equal(errno, EINVAL);
	says("-rdynamic");
	assert_null(dmamap_open("sim:" OBJECTS "/model-good.so"));
	assert_int_equal(errno, ENOEXEC);
	says("undefined symbol");
}

static void test_bad_values(void **state)
{
	static const char *const bad[][2] = {
		{"number=101", "from 0 to 100"},
		{"number=x", "number=x"},
		{"number=1K", "number"},
		{"text=a", "2 to 8"},
		{"text=123456789", "2 to 8"},
		{"size=1Q", "size"},
		{"speed=warp", "slow fast"},
		{"flag=2", "0 or 1"},
		{"flag=", "0 or 1"},
		{"path=", "file"},
		{"colour=1", "colour"},
		{"number=1,number=2", "twice"},
	};
	char spec[64];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(spec, sizeof(spec), "sim:toy,%s", bad[i][0]);
		assert_null(dmamap_open(spec));
		assert_int_equal(errno, EINVAL);
		says(bad[i][1]);
	}
	/* the failed opens have left no user */
	assert_int_equal(dmamap_model_unregister(&toy_model), 0);
	assert_int_equal(dmamap_model_register(&toy_model), 0);
}

static void test_create_fails(void **state)
{
	toy_result = -EIO;
	assert_null(dmamap_open("sim:toy"));
	assert_int_equal(errno, EIO);
	toy_result = 5;
	assert_null(dmamap_open("sim:toy"));
	assert_int_equal(errno, EINVAL);
	says("returned 5");
}

static void test_registers(void **state)
{
	struct device *dev = toy_open("sim:toy");
	struct dmamap_bar_info info;

	dmamap_writeq(dev, 0, 8, 0x1122334455667788ull);
	assert_true(dmamap_readq(dev, 0, 8) == 0x1122334455667788ull);
	assert_int_equal(dmamap_readb(dev, 0, 9), 0x77);
	assert_int_equal(dmamap_readw(dev, 0, 10), 0x5566);
	assert_int_equal(dmamap_readl(dev, 0, 12), 0x11223344);
	/* the model decides what does not exist inside a region */
	assert_int_equal(dmamap_readl(dev, 0, 0x800), 0xffffffff);
	/* the library refuses the rest */
	errno = 0;
	assert_int_equal(dmamap_readb(dev, 2, 0), 0xff);
	assert_int_equal(errno, EINVAL);
	assert_true(dmamap_readq(dev, 2, 0x400) == UINT64_MAX);
	assert_int_equal(dmamap_readl(dev, 0, 4096), 0xffffffff);
	assert_int_equal(dmamap_readl(dev, 0, 2), 0xffffffff);
	assert_int_equal(dmamap_readl(dev, 4, 0), 0xffffffff);
	assert_int_equal(dmamap_readl(dev, 6, 0), 0xffffffff);
	dmamap_writeb(dev, 4, 0, 1);
	assert_int_equal(dmamap_readb(dev, 5, 15), toy->word[1] >> 56);
	assert_int_equal(dmamap_bar(dev, 3, &info), 0);
	assert_true(info.size == 1 << 30 && info.addr >= 1ull << 46 &&
		    !(info.addr & (info.size - 1)));
	assert_int_equal(dmamap_bar(dev, 4, &info), -ENOENT);
	assert_int_equal(dmamap_bar(dev, 5, &info), 0);
	assert_int_equal(info.flags, DMAMAP_BAR_IO);
	dmamap_close(dev);
}

static void test_memory(void **state)
{
	struct device *dev = toy_open("sim:toy");
	struct dmamap_bar_info info;
	int fd = -1;
	u8 *memory = dmamap_bar_map(dev, 1, &fd), *other;

	assert_non_null(memory);
	assert_int_equal(dmamap_bar(dev, 1, &info), 0);
	assert_int_equal(info.flags, DMAMAP_BAR_MAPPABLE);
	assert_ptr_equal(memory, dmamap_model_memory(dev, 1));
	dmamap_writel(dev, 1, 8188, 0x01020304);
	assert_int_equal(memory[8188], 4);
	memory[0] = 0x5a;
	assert_int_equal(dmamap_readb(dev, 1, 0), 0x5a);
	dmamap_writeb(dev, 1, 1, 0xa5);
	assert_int_equal(dmamap_readw(dev, 1, 0), 0xa55a);
	dmamap_writew(dev, 1, 2, 0x1234);
	dmamap_writeq(dev, 1, 8, 42);
	assert_true(dmamap_readq(dev, 1, 0) == 0x1234a55a && dmamap_readq(dev, 1, 8) == 42);
	assert_int_equal(dmamap_readl(dev, 1, 8192), 0xffffffff);
	other = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(other != MAP_FAILED);
	assert_int_equal(other[0], 0x5a);
	munmap(other, 8192);
	assert_null(dmamap_bar_map(dev, 0, NULL));
	assert_int_equal(errno, ENOENT);
	assert_null(dmamap_bar_map(dev, 6, NULL));
	assert_int_equal(errno, EINVAL);
	assert_null(dmamap_bar_map(NULL, 0, NULL));
	assert_null(dmamap_model_memory(dev, 0));
	assert_null(dmamap_model_memory(dev, -1));
	dmamap_close(dev);
}

static void test_thread(void **state)
{
	struct device *dev = toy_open("sim:toy");

	dmamap_writel(dev, 0, 0x100, 1000);
	while (dmamap_readl(dev, 0, 0x104) != 1000)
		sched_yield();
	assert_int_equal(dmamap_model_step(dev), -EINVAL);
	says("threads=0");
	assert_int_equal(dmamap_model_step(NULL), -EINVAL);
	/* closed while it works */
	dmamap_writel(dev, 0, 0x100, 1u << 30);
	dmamap_close(dev);
}

static void *toy_write_loop(void *arg)
{
	for (int i = 0; i < 200; i++) {
		__atomic_add_fetch(&toy_attempts, 1, __ATOMIC_ACQ_REL);
		dmamap_writel(arg, 0, 0x100, 1);
		dmamap_readl(arg, 0, 0x104);
	}
	return NULL;
}

static void test_steps(void **state)
{
	struct device *dev = toy_open("sim:toy,threads=0");
	pthread_t thread;

	assert_int_equal(dmamap_model_step(dev), 0);
	dmamap_writel(dev, 0, 0x100, 3);
	assert_int_equal(dmamap_readl(dev, 0, 0x104), 0);
	assert_int_equal(dmamap_model_step(dev), 1);
	assert_int_equal(dmamap_readl(dev, 0, 0x104), 1);
	assert_int_equal(dmamap_model_step(dev), 1);
	assert_int_equal(dmamap_model_step(dev), 0);
	assert_int_equal(dmamap_readl(dev, 0, 0x104), 3);
	toy_most = 0;
	assert_int_equal(pthread_create(&thread, NULL, toy_write_loop, dev), 0);
	for (u32 i = 0; toy->done < 203; i++) {
		write_once(&toy_slow, i < 8);
		dmamap_model_step(dev);
	}
	pthread_join(thread, NULL);
	write_once(&toy_slow, false);
	assert_int_equal(toy_most, 1); /* one call at a time */
	dmamap_close(dev);
}

/* Without a thread, because ThreadSanitizer starts none in a child. */
static int child_uses_toy(void *arg)
{
	struct device *dev = dmamap_open("sim:toy,threads=0");

	EXPECT(dev);
	EXPECT(dmamap_model_unregister(&toy_model) == -EBUSY);
	dmamap_writel(dev, 0, 0, 5);
	EXPECT(dmamap_readl(dev, 0, 0) == 5);
	dmamap_close(dev);
	EXPECT(!dmamap_model_unregister(&toy_model));
	return 0;
}

/* A child has the models and not the devices. */
static void test_models_in_a_child(void **state)
{
	struct device *dev = toy_open("sim:toy");

	in_child(child_uses_toy, NULL);
	dmamap_close(dev);
}

static void test_open_fails(void **state)
{
	struct device *dev = NULL;

	for (u64 n = 1; !dev; n++) {
		rig_fail(FAIL_MEMORY, n);
		dev = dmamap_open("sim:toy");
		rig_fail_none();
		assert_true(dev || *dmamap_strerror());
	}
	dmamap_close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_models_of_the_library),
		with_toy(test_register),
		with_toy(test_bad_values),
		with_toy(test_two_libraries),
		with_toy(test_create_fails),
		with_toy(test_registers),
		with_toy(test_memory),
		with_toy(test_thread),
		with_toy(test_steps),
		with_toy(test_models_in_a_child),
		with_toy(test_open_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
