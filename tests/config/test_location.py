from support.command_line import CONF

from audio_cls.config.location import conf_dir


def test_in_a_checkout_the_configuration_is_its_conf_folder():
    assert conf_dir() == CONF
