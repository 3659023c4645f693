# The commands a newcomer types. Everything behind them is meson, scripts/ and tests/.
#
#   make                    build farboot in build/
#   sudo make demo          boot a machine without a disk and watch it   (ARCH=arm64 for an ARM machine)
#   sudo make check         every test
#   sudo make bench         the iSCSI target beside tgt; the same boot with the classic stack, side by side
#   sudo make install       install what was built

BUILD ?= build
ARCH ?=

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	scripts/setup build
	meson setup $(BUILD)

demo:
	scripts/demo $(ARCH)

check:
	scripts/setup check
	$(MAKE) all
	tests/run

bench:
	scripts/setup bench
	$(MAKE) all
	tests/bench/iscsi/compare
	tests/bench/iscsi/idle
	tests/bench/boot/compare $(ARCH)
	tests/bench/store/compare
	tests/bench/lan/compare

install: all
	meson install -C $(BUILD)

clean:
	rm -rf $(BUILD)

.PHONY: all demo check bench install clean
