/* SPDX-License-Identifier: BSD-2-Clause */
/* Specs of devices: keys, values, contradictions, and lack of memory. */
#include "core_rig.h"

#include "device/model.h"
#include "device/spec.h"

static struct spec s;

static void good(const char *text)
{
	memset(&s, 0x5a, sizeof(s));
	if (spec_parse(&s, text))
		fail_msg("%s: %s", text, dmamap_strerror());
}

static void bad(const char *text, const char *word)
{
	struct spec before;

	memset(&s, 0x5a, sizeof(s));
	memcpy(&before, &s, sizeof(s));
	if (spec_parse(&s, text) != -EINVAL)
		fail_msg("\"%s\" was taken", text);
	assert_int_equal(errno, EINVAL);
	if (!strstr(dmamap_strerror(), word))
		fail_msg("\"%s\": no \"%s\" in \"%s\"", text, word, dmamap_strerror());
	assert_memory_equal(&before, &s, sizeof(s));
}

static void test_defaults(void **state)
{
	good("sim");
	assert_null(s.model);
	assert_int_equal(s.policy, POLICY_STRICT);
	assert_true(s.iommu && s.coherent);
	assert_false(s.untrusted || s.check || s.forcedac);
	assert_null(s.name);
	assert_null(s.group);
	assert_int_equal(s.ram, 0);
	assert_int_equal(s.swiotlb, 0);
	assert_int_equal(s.bus_offset, 0);
	assert_int_equal(s.addr_bits, 64);
	spec_free(&s);
	spec_free(&s);
}

static void test_every_key(void **state)
{
	good("sim,policy=lazy,iommu=1,coherent=0,check=1,name=a.b_c:d-9,group=g,ram=1G,swiotlb="
	     "0x100K,"
	     "addr-bits=40,bus-offset=0x10000,forcedac=1");
	assert_int_equal(s.policy, POLICY_LAZY);
	assert_true(s.iommu && !s.coherent && s.check && s.forcedac);
	assert_string_equal(s.name, "a.b_c:d-9");
	assert_string_equal(s.group, "g");
	assert_int_equal(s.ram, GIB);
	assert_int_equal(s.swiotlb, 256 * KIB);
	assert_int_equal(s.addr_bits, 40);
	assert_int_equal(s.bus_offset, 0x10000);
	spec_free(&s);
	good("sim,untrusted=1");
	assert_true(s.untrusted);
	spec_free(&s);
}

static void test_policies(void **state)
{
	static const char *const names[] = {"strict", "lazy", "identity", "persistent"};
	char text[64];

	for (int i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "sim,policy=%s", names[i]);
		good(text);
		assert_int_equal(s.policy, i);
		assert_string_equal(policy_name(s.policy), names[i]);
		spec_free(&s);
	}
	good("sim,policy=pool"); /* an accepted alias */
	assert_string_equal(policy_name(s.policy), "identity");
	spec_free(&s);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		u64 size;
	} c[] = {{"sim,ram=1", 1},	     {"sim,ram=4096", 4096},  {"sim,ram=64K", 64 * KIB},
		 {"sim,ram=64k", 64 * KIB},  {"sim,ram=2M", 2 * MIB}, {"sim,ram=3g", 3 * GIB},
		 {"sim,ram=1T", 1024 * GIB}, {"sim,ram=0x10", 16}};

	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		good(c[i].text);
		assert_int_equal(s.ram, c[i].size);
		spec_free(&s);
	}
	bad("sim,ram=0", "ram=0");
	bad("sim,ram=", "ram");
	bad("sim,ram=1Q", "1Q");
	bad("sim,ram=1MM", "1MM");
	bad("sim,ram=-1", "-1");
	bad("sim,ram=99999999999999999999", "9999");
	bad("sim,ram=99999999999T", "T");
	bad("sim,ram= 1", "ram");
	bad("sim,ram=M", "M");
}

static void test_devices(void **state)
{
	good("sim:edu");
	assert_string_equal(s.model->name, "edu");
	assert_int_equal(s.values[0].number, 0x0fffffff);
	assert_false(s.values[0].given || s.stepped);
	spec_free(&s);
	good("sim:nvme,image=/x,iommu=0");
	assert_string_equal(s.model->name, "nvme");
	assert_string_equal(s.model->keys[0].name, "image");
	assert_string_equal(s.values[0].text, "/x");
	assert_true(s.values[0].given);
	assert_int_equal(s.values[1].number, 16);
	assert_string_equal(s.values[3].text, "dmamap-1");
	assert_false(s.iommu);
	spec_free(&s);
	bad("sim:edo", "edo");
	bad("sim:", "sim:");
	bad("sim:edu,image=/x", "image");
	bad("sim:edo", "sim:dmaengine");
	bad("sim:edu,dma_mask=0", "from 1 to");
	bad("sim:nvme,image=", "file");
	good("sim:edu,threads=0");
	assert_true(s.stepped);
	spec_free(&s);
	bad("sim,threads=0", "threads=0");
	bad("sim:edu,threads=2", "threads=2");
	bad("vfio:00:03.0,threads=0", "threads");
	bad("simm", "simm");
	bad("si", "si");
	bad("usb", "usb");
	bad(":edu", "back end");
	good("vfio:0000:00:03.0,irq=msi,policy=identity");
	assert_string_equal(s.hw->name, "vfio");
	assert_string_equal(s.config.target, "0000:00:03.0");
	assert_string_equal(s.config.arg[0].key, "irq");
	assert_int_equal(s.config.policy, POLICY_IDENTITY);
	spec_free(&s);
	good("iommufd:00:03.0");
	assert_string_equal(s.hw->name, "iommufd");
	spec_free(&s);
	bad("vfio:00:03.0,iommu=0", "iommu");
	bad("vfio:00:03.0,coherent=0", "coherent");
	bad("vfi:00:03.0", "back end");
}

static void test_words_that_are_wrong(void **state)
{
	bad("", "empty");
	bad("sim,", "");
	bad("sim,,x", "");
	bad("sim,color=1", "color");
	bad("sim,policy", "policy");
	bad("sim,policy=fast", "fast");
	bad("sim,iommu=2", "iommu=2");
	bad("sim,iommu=", "iommu");
	bad("sim,check=yes", "yes");
	bad("sim,iommu=0,iommu=0", "twice");
	bad("sim,name=a=b", "\"=\"");
	bad("sim,name=", "name");
	bad("sim,name=with space", "with space");
	bad("sim,name=much-too-long-a-name-for-a-device", "name");
	bad("sim,addr-bits=12", "12");
	bad("sim,addr-bits=65", "65");
	bad("sim,bus-offset=1", "bus-offset=1");
	bad("sim,bus-offset=0x8000000000000000", "bus-offset");
	bad("sim,=1", "");
	bad("sim,POLICY=lazy", "POLICY");
	assert_int_equal(spec_parse(&s, NULL), -EINVAL);
}

static void test_words_that_contradict(void **state)
{
	bad("sim,untrusted=1,iommu=0", "iommu");
	bad("sim,untrusted=1,policy=identity", "identity");
	bad("sim,policy=persistent,untrusted=1", "persistent");
}

/* In a value ",," represents a comma. */
static void test_commas(void **state)
{
	good("sim:nvme,image=/a,,b,,,,c,check=1");
	assert_string_equal(s.values[0].text, "/a,b,,c");
	assert_true(s.check);
	spec_free(&s);
	good("sim:nvme,image=x,,");
	assert_string_equal(s.values[0].text, "x,");
	spec_free(&s);
}

static void test_long_ones(void **state)
{
	char text[6000];

	memset(text, 'a', sizeof(text));
	memcpy(text, "sim:nvme,image=", 15);
	text[4000] = 0;
	good(text);
	assert_int_equal(strlen(s.values[0].text), 4000 - 15);
	spec_free(&s);
	text[4000] = 'a';
	text[5999] = 0;
	bad(text, "longer");
	strcpy(text, "sim");
	for (int i = 0; i < 60; i++)
		sprintf(text + strlen(text), ",k%d=1", i);
	bad(text, "k0");
}

static void test_no_memory(void **state)
{
	rig_fail(FAIL_MEMORY, 1);
	assert_int_equal(spec_parse(&s, "sim"), -ENOMEM);
	rig_fail_none();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_words_that_are_wrong),
		cmocka_unit_test(test_words_that_contradict),
		cmocka_unit_test(test_commas),
		cmocka_unit_test(test_long_ones),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
