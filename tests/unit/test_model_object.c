/* SPDX-License-Identifier: BSD-2-Clause */
/* Models in shared objects: by path, by DMAMAP_MODELS, and what is wrong with some of them. */
#include "core_rig.h"

#include "device/model.h"

#include <dlfcn.h>

#define PATH(name) OBJECTS "/model-" name ".so"

static bool object_loaded(const char *path)
{
	void *object = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);

	if (object)
		dlclose(object);
	return object != NULL;
}

static void object_refused(const char *spec, int err, const char *word)
{
	errno = 0;
	assert_null(dmamap_open(spec));
	assert_int_equal(errno, err);
	if (!strstr(dmamap_strerror(), word))
		fail_msg("%s: \"%s\" does not say \"%s\"", spec, dmamap_strerror(), word);
}

static void test_object_path(void **state)
{
	struct device *one = dmamap_open("sim:" PATH("good")), *two;

	if (!one)
		fail_msg("%s", dmamap_strerror());
	two = dmamap_open("sim:" PATH("good") ",fail=0,name=second");
	assert_non_null(two);
	assert_string_equal(dev_name(one), "object0");
	assert_int_equal(dmamap_readl(one, 0, 8), 2);
	dmamap_writel(one, 0, 0, 0x11223344);
	assert_int_equal(dmamap_readl(one, 0, 0), 0x11223344);
	assert_int_equal(dmamap_readl(two, 0, 0), 0);
	/* the path does not make the name known */
	object_refused("sim:object", EINVAL, "DMAMAP_MODELS");
	dmamap_close(one);
	assert_true(object_loaded(PATH("good")));
	assert_int_equal(dmamap_readl(two, 0, 8), 1);
	dmamap_close(two);
	assert_false(object_loaded(PATH("good")));
	/* this program exports the library, which the model uses although it is linked with another
	 */
	one = dmamap_open("sim:" PATH("linked"));
	if (!one)
		fail_msg("%s", dmamap_strerror());
	assert_int_equal(dmamap_readl(one, 0, 8), 1);
	dmamap_close(one);
}

static void test_object_create_fails(void **state)
{
	object_refused("sim:" PATH("good") ",fail=1", EIO, "does not start");
	assert_non_null(strstr(dmamap_strerror(), "cannot open sim:"));
	object_refused("sim:" PATH("good") ",fail=2", EINVAL, "fail=2");
	object_refused("sim:" PATH("good") ",fall=1", EINVAL, "fall");
	assert_false(object_loaded(PATH("good")));
}

static void test_object_wrong(void **state)
{
	static const struct {
		const char *spec;
		int err;
		const char *word;
	} c[] = {
		{"sim:./does-not-exist.so", ENOENT, "does-not-exist.so"},
		{"sim:/dev/null", ENOEXEC, "/dev/null"},
		{"sim:/", ENOEXEC, "cannot load"},
		{"sim:" PATH("no-entry"), EINVAL, "dmamap_model_entry()"},
		{"sim:" PATH("refuses"), EINVAL, "does not support version 1"},
		{"sim:" PATH("version"), EINVAL, "version 2"},
		{"sim:" PATH("smaller"), EINVAL, "DMAMAP_MODEL_HEAD"},
		{"sim:" PATH("larger-used"), EINVAL, "newer library"},
		{"sim:" PATH("table"), EINVAL, ".pci.table_bar is 5"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		object_refused(c[i].spec, c[i].err, c[i].word);
		assert_false(object_loaded(c[i].spec + 4));
	}
}

/* A newer table is accepted as long as it uses no newer field. */
static void test_object_larger(void **state)
{
	struct device *dev = dmamap_open("sim:" PATH("larger"));

	if (!dev)
		fail_msg("%s", dmamap_strerror());
	assert_int_equal(dmamap_readl(dev, 0, 8), 1);
	dmamap_close(dev);
}

/* Every failure of an allocation or a system call while an object is loaded and opened. */
static void test_object_fails(void **state)
{
	struct device *dev = NULL;
	u64 n;

	for (n = 1; !dev; n++) {
		rig_fail(FAIL_MEMORY, n);
		dev = dmamap_open("sim:" PATH("good"));
		rig_fail_none();
		if (dev)
			break;
		assert_true(*dmamap_strerror());
		assert_false(object_loaded(PATH("good")));
	}
	assert_true(n > 10);
	assert_int_equal(dmamap_readl(dev, 0, 8), 1);
	dmamap_close(dev);
}

/* The environment is read by the first open that succeeds with it; so this test is the last. */
static void test_object_environment(void **state)
{
	struct device *dev;

	setenv("DMAMAP_MODELS", PATH("good") ":" PATH("no-entry"), 1);
	object_refused("sim:edu", EINVAL, "DMAMAP_MODELS: the shared object");
	setenv("DMAMAP_MODELS", PATH("good") ":" PATH("twin"), 1);
	object_refused("sim:object", EEXIST, "twin.so: there is a model with the name object");
	setenv("DMAMAP_MODELS", PATH("edu"), 1);
	object_refused("sim:object", EEXIST, "edu");
	setenv("DMAMAP_MODELS", PATH("good") "::" PATH("other") ":" PATH("good"), 1);
	dev = dmamap_open("sim:object");
	if (!dev)
		fail_msg("%s", dmamap_strerror());
	assert_int_equal(dmamap_readl(dev, 0, 8), 1);
	dmamap_close(dev);
	assert_true(object_loaded(PATH("good")));
	dev = dmamap_open("sim:other");
	assert_non_null(dev);
	dmamap_close(dev);
	/* the path still works, and is another entry of the list */
	dev = dmamap_open("sim:" PATH("good"));
	assert_non_null(dev);
	dmamap_close(dev);
	assert_true(object_loaded(PATH("good")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_object_path),  cmocka_unit_test(test_object_create_fails),
		cmocka_unit_test(test_object_wrong), cmocka_unit_test(test_object_larger),
		cmocka_unit_test(test_object_fails), cmocka_unit_test(test_object_environment),
	};

	unsetenv("DMAMAP_MODELS");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
