"""Write the documents that are made from the sources and fragments: `make docs`."""

from __future__ import annotations

from tests.house import attacks, configuration, errors_table, fragments


def main() -> None:
    errors_table.TARGET.write_text(errors_table.render())
    configuration.TARGET.write_text(configuration.render())
    attacks.TARGET.write_text(attacks.render())
    fragments.DIFFERENCES.write_text(fragments.differences())
    fragments.CHANGELOG.write_text(fragments.changelog())


if __name__ == "__main__":
    main()
